/* SPDX-License-Identifier: MIT */
/* Reads and checks the "exec" part of spec.json, field by field. */
#include "shim/spec.h"

#include "base/own.h"
#include "base/str.h"
#include "wire/execution.h"

#include <string.h>

#define ID_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static char *entry_new(const char *key, const char *value)
{
	char *entry = NULL;

	return asprintf(&entry, "%s=%s", key, value) < 0 ? NULL : entry;
}

static int read_argv(struct shim_spec *spec, struct err *reterr)
{
	const json_t *argv = json_object_get(spec->exec, "argv");
	size_t n = json_array_size(argv);

	if (n == 0)
		return err_at(reterr, ERR_INVALID, "/exec/argv",
			      "exec.argv must be a list of at least one text");
	spec->argv = calloc(n + 1, sizeof(*spec->argv));
	if (!spec->argv)
		return err_errno(reterr, ENOMEM, "read exec.argv");
	for (size_t i = 0; i < n; i++) {
		spec->argv[i] = json_string_value(json_array_get(argv, i));
		if (!spec->argv[i])
			return err_at(reterr, ERR_INVALID, "/exec/argv",
				      "exec.argv[%zu] must be a text", i);
	}
	if (spec->argv[0][0] != '/')
		return err_at(reterr, ERR_INVALID, "/exec/argv",
			      "exec.argv[0] must be an absolute path, not '%s'", spec->argv[0]);
	return 0;
}

static int read_env(struct shim_spec *spec, const char *id, const char *dir, struct err *reterr)
{
	json_t *env = json_object_get(spec->exec, "env"), *value;
	const json_t *inherit = json_object_get(spec->exec, "inherit"), *name;
	const char *key;
	const char *value_of;
	size_t n = 0, i;

	if (!json_is_object(env))
		return err_at(reterr, ERR_INVALID, "/exec/env", "exec.env must be an object");
	spec->envp =
		calloc(json_object_size(env) + json_array_size(inherit) + 3, sizeof(*spec->envp));
	if (!spec->envp)
		return err_errno(reterr, ENOMEM, "read exec.env");
	json_object_foreach(env, key, value) {
		if (!json_is_string(value) || !*key || strchr(key, '='))
			return err_at(reterr, ERR_INVALID, "/exec/env",
				      "exec.env: '%s' must be a name with a text", key);
		if (str_eq(key, EXECUTION_ENV_ID) || str_eq(key, EXECUTION_ENV_DIR))
			continue;
		spec->envp[n] = entry_new(key, json_string_value(value));
		if (!spec->envp[n++])
			return err_errno(reterr, ENOMEM, "read exec.env");
	}
	json_array_foreach(inherit, i,
			   name) { /* secrets: the shim's own environment has them, no file does */
		key = json_string_value(name);
		value_of = key ? getenv(key) : NULL;
		if (!value_of || json_object_get(env, key))
			continue;
		spec->envp[n] = entry_new(key, value_of);
		if (!spec->envp[n++])
			return err_errno(reterr, ENOMEM, "read exec.inherit");
	}
	spec->envp[n++] = entry_new(EXECUTION_ENV_ID, id);
	spec->envp[n++] = entry_new(EXECUTION_ENV_DIR, dir);
	return 0;
}

/* Read a whole number >= 0. If the key is absent or null, *ret keeps its value. */
static int read_number(const json_t *exec, const char *key, int64_t *ret, struct err *reterr)
{
	const json_t *v = json_object_get(exec, key);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return err_set(reterr, ERR_INVALID, "exec.%s must be a whole number, 0 or more",
			       key);
	*ret = json_integer_value(v);
	return 0;
}

/* Read the id. A cgroup is named after it, so it is a short word. */
static int read_id(const char *id, struct shim_spec *ret, struct err *reterr)
{
	if (!*id || strspn(id, ID_LETTERS) != strlen(id) || !str_copy(ret->id, sizeof(ret->id), id))
		return err_at(reterr, ERR_INVALID, "/execution",
			      "\"execution\" must be an id of at most %d letters and digits, not "
			      "'%s'",
			      ID_LEN - 1, id);
	return 0;
}

static int read_owner(const json_t *exec, struct shim_spec *ret, struct err *reterr)
{
	const char *owner = json_get_str(exec, "owner", owner_kind_str(OWNER_CGROUP));

	if (owner_kind_parse(owner, &ret->owner) < 0)
		return err_at(reterr, ERR_INVALID, "/exec/owner",
			      "exec.owner must be cgroup, pid_namespace or subreaper, not '%s'",
			      owner);
	return 0;
}

static int read_message(const json_t *message, const char *dir, struct shim_spec *ret,
			struct err *reterr)
{
	const char *id = json_get_str(message, "execution", NULL);
	int r = wire_version_check(message, EXECUTION_SPEC, reterr);

	if (r < 0)
		return r;
	ret->exec = json_incref(json_object_get(message, "exec"));
	if (!id || !json_is_object(ret->exec))
		return err_set(reterr, ERR_INVALID, "%s must have \"execution\" and \"exec\"",
			       EXECUTION_SPEC);
	ret->cwd = json_get_str(ret->exec, "cwd", "");
	if (ret->cwd[0] != '/')
		return err_at(reterr, ERR_INVALID, "/exec/cwd",
			      "exec.cwd must be an absolute path");
	ret->drop_checkpoints = json_get_bool(ret->exec, "drop_checkpoints", false);
	ret->drop_earlier = json_incref(json_object_get(ret->exec, "drop_earlier"));
	r = read_id(id, ret, reterr);
	if (r >= 0)
		r = read_owner(ret->exec, ret, reterr);
	if (r >= 0)
		r = read_argv(ret, reterr);
	if (r >= 0)
		r = read_env(ret, id, dir, reterr);
	if (r >= 0)
		r = read_number(ret->exec, "max_runtime_ms", &ret->max_runtime_ms, reterr);
	if (r >= 0)
		r = read_number(ret->exec, "grace_ms", &ret->grace_ms, reterr);
	if (r >= 0)
		r = read_number(ret->exec, "log_max_bytes", &ret->log_max_bytes, reterr);
	return r;
}

int shim_spec_read(int dirfd, const char *dir, struct shim_spec *ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *message = NULL;
	int r;

	*ret = (struct shim_spec){.grace_ms = SHIM_GRACE_DEFAULT_MS};
	r = json_read_file(dirfd, EXECUTION_SPEC, EXECUTION_SPEC_MAX, &message, reterr);
	if (r >= 0)
		r = read_message(message, dir, ret, reterr);
	if (r < 0)
		shim_spec_started(ret);
	return r < 0 ? err_ctx(reterr, r, "%s", EXECUTION_SPEC) : 0;
}

void shim_spec_started(struct shim_spec *spec)
{
	for (char **e = spec->envp; e && *e; e++)
		free(*e);
	free(spec->envp);
	free(spec->argv);
	json_decref(spec->exec);
	spec->envp = NULL;
	spec->argv = NULL;
	spec->exec = NULL;
	spec->cwd = NULL;
}
