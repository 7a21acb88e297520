/* SPDX-License-Identifier: MIT */
/*
 * Writes the owner record into the lock file, and reads it with the checks that hostile content
 * needs.
 */
#include "wire/owner.h"

#include "base/own.h"
#include "base/str.h"
#include "wire/execution.h"

#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static const char *const kind_names[OWNER_KINDS_] = {
	[OWNER_CGROUP] = "cgroup",
	[OWNER_PID_NAMESPACE] = "pid_namespace",
	[OWNER_SUBREAPER] = "subreaper",
};

const char *owner_kind_str(enum owner_kind kind)
{
	return kind_names[kind];
}

int owner_kind_parse(const char *s, enum owner_kind *ret)
{
	for (int i = 0; i < OWNER_KINDS_; i++) {
		if (!str_eq(s, kind_names[i]))
			continue;
		*ret = (enum owner_kind)i;
		return 0;
	}
	return -EINVAL;
}

int owner_write(int fd, const struct process_owner *o, struct err *reterr)
{
	OWN(json_decrefp)
	json_t *j =
		json_pack("{si ss si sI sI ss si sI}", "v", WIRE_VERSION, "owner",
			  owner_kind_str(o->kind), "shim", (int)o->shim, "shim_start",
			  (json_int_t)o->shim_start, "mark", (json_int_t)o->mark, "cgroup",
			  o->cgroup, "init", (int)o->init, "init_start", (json_int_t)o->init_start);
	OWN(freep) char *text = j ? json_text(j) : NULL;
	size_t len = text ? strlen(text) : 0;

	if (!text)
		return err_errno(reterr, ENOMEM, "write %s", EXECUTION_LOCK);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, len, 0) != (ssize_t)len)
		return err_errno(reterr, errno ? errno : EIO, "write %s", EXECUTION_LOCK);
	return 0;
}

/* Only a cgroup with the execution's own name is ever killed, whatever the file contains. */
static bool cgroup_is_its(const char *dir, const char *id)
{
	const char *name = strrchr(dir, '/');

	return dir[0] == '/' && str_starts(name + 1, OWNER_CGROUP_PREFIX) &&
	       str_eq(name + sizeof(OWNER_CGROUP_PREFIX), id);
}

int owner_read(int lock_fd, const char *id, struct process_owner *ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *j = NULL;
	char text[OWNER_TEXT_MAX];
	ssize_t n = pread(lock_fd, text, sizeof(text), 0);
	int r;

	*ret = (struct process_owner){0};
	if (n <= 0)
		return err_errno(reterr, n < 0 ? errno : ENODATA, "read %s", EXECUTION_LOCK);
	r = json_parse(text, (size_t)n, &j, reterr);
	if (r >= 0)
		r = wire_version_check(j, EXECUTION_LOCK, reterr);
	if (r < 0)
		return r;
	ret->shim = (pid_t)json_get_int(j, "shim", 0);
	ret->shim_start = json_get_int(j, "shim_start", 0);
	ret->mark = json_get_int(j, "mark", 0);
	ret->init = (pid_t)json_get_int(j, "init", 0);
	ret->init_start = json_get_int(j, "init_start", 0);
	if (owner_kind_parse(json_get_str(j, "owner", ""), &ret->kind) < 0 ||
	    !str_copy(ret->cgroup, sizeof(ret->cgroup), json_get_str(j, "cgroup", "")) ||
	    (ret->kind == OWNER_CGROUP && !cgroup_is_its(ret->cgroup, id)))
		return err_set(reterr, ERR_CORRUPT, "%s does not name the owner of the execution",
			       EXECUTION_LOCK);
	return 0;
}
