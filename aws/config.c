/* SPDX-License-Identifier: MIT */
/*
 * Loads the AWS settings: copies the variables of the environment, parses both files, sorts their
 * sections, and chooses the profile and the region.
 */
#include "aws/config.h"
#include "aws/words.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <string.h>

#define ATTEMPTS_DEFAULT 3

extern char **environ;

const char *aws_env(const struct aws_config *c, const char *name)
{
	const char *value = json_get_str(c->env, name, NULL);

	return value && value[0] ? value : NULL;
}

const char *aws_profile_key(const struct aws_config *c, const char *profile, const char *key)
{
	const char *value = json_get_str(json_object_get(c->credentials, profile), key, NULL);

	return value ? value : json_get_str(json_object_get(c->config, profile), key, NULL);
}

bool aws_profile_exists(const struct aws_config *c, const char *profile)
{
	return json_object_get(c->config, profile) || json_object_get(c->credentials, profile);
}

/* ---- loading ---- */

static void take_environment(struct aws_config *c, char *const *env)
{
	for (; *env; env++) {
		const char *eq = strchr(*env, '=');
		char name[128];

		if (!eq || (size_t)(eq - *env) >= sizeof(name) ||
		    (!str_starts(*env, "AWS_") && !str_starts(*env, "HOME=")))
			continue;
		str_must_format(name, sizeof(name), "%.*s", (int)(eq - *env), *env);
		if (str_utf8_valid(eq + 1, strlen(eq + 1)))
			json_object_set_new(c->env, name, json_string(eq + 1));
	}
}

static int file_path(const struct aws_config *c, const char *variable, const char *fallback,
		     char *ret, size_t size, struct err *reterr)
{
	const char *given = aws_env(c, variable), *home = aws_env(c, "HOME");
	bool fits;

	if (given && given[0] == '~' && given[1] == '/' && home)
		fits = str_format(ret, size, "%s%s", home, given + 1);
	else if (given)
		fits = str_copy(ret, size, given);
	else
		fits = str_format(ret, size, "%s/.aws/%s", home ? home : "", fallback);
	return fits ? 0
		    : err_set(reterr, ERR_INVALID,
			      "the path of %s ('%.64s…') has more than %zu bytes; shorten it",
			      given ? variable : fallback, given ? given : home, size - 1);
}

static int read_file(const char *path, json_t **ret, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(AWS_FILE_MAX);
	int r = file_read(AT_FDCWD, path, &text, reterr);

	if (r == -ENOENT || r == -ENOTDIR || r == -EACCES) {
		*ret = json_object();
		return 0;
	}
	return r < 0 ? r : aws_ini_parse(buf_str(&text), path, ret, reterr);
}

/* The name in "[profile 'Foo Bar']": two words, of which the first begins with the kind. Sections
 * of another form are ignored. Public reference: botocore/configloader.py (_parse_section). */
static void sort_section(json_t *into, const char *name, json_t *section)
{
	OWN(freep) char *copy = strdup(name);
	char *words[3];

	if (copy && aws_words(copy, words, ARRAY_LEN(words)) == 2)
		json_object_set(into, words[1], section);
}

/* Move "[profile x]", "[default]", "[sso-session x]", "[services x]" into their objects. */
static void sort_sections(struct aws_config *c, const json_t *sections)
{
	static const char *const kinds[] = {"profile", "sso-session", "services"};
	json_t *into[] = {c->config, c->sessions, c->services}, *section;
	const char *name;

	json_object_foreach((json_t *)sections, name, section) {
		if (str_eq(name, "default"))
			json_object_set(c->config, name, section);
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
			if (str_starts(name, kinds[i]))
				sort_section(into[i], name, section);
	}
}

static int read_files(struct aws_config *c, struct err *reterr)
{
	OWN(json_decrefp) json_t *sections = NULL;
	int r;

	r = file_path(c, "AWS_CONFIG_FILE", "config", c->config_path, sizeof(c->config_path),
		      reterr);
	if (r >= 0)
		r = file_path(c, "AWS_SHARED_CREDENTIALS_FILE", "credentials", c->credentials_path,
			      sizeof(c->credentials_path), reterr);
	if (r < 0)
		return r;
	r = read_file(c->config_path, &sections, reterr);
	if (r < 0)
		return r;
	sort_sections(c, sections);
	return read_file(c->credentials_path, &c->credentials, reterr);
}

static void list_profiles(const struct aws_config *c, struct buf *out)
{
	const char *name;
	json_t *section;

	json_object_foreach(c->config, name, section)
		buf_printf(out, "%s%s", out->len ? ", " : "", name);
	json_object_foreach(c->credentials, name, section) {
		if (!json_object_get(c->config, name))
			buf_printf(out, "%s%s", out->len ? ", " : "", name);
	}
}

static int choose_profile(struct aws_config *c, const char *given, struct err *reterr)
{
	OWN(buf_done) struct buf names = BUF_INIT(512);
	const char *profile = given && given[0] ? given : aws_env(c, "AWS_DEFAULT_PROFILE");

	if (!profile)
		profile = aws_env(c, "AWS_PROFILE");
	c->skip_env_keys = given && given[0];
	c->profile_given = profile != NULL;
	if (!str_copy(c->profile, sizeof(c->profile), profile ? profile : "default"))
		return err_set(reterr, ERR_INVALID,
			       "the name of the AWS profile '%.64s…' has more than %zu bytes",
			       profile, sizeof(c->profile) - 1);
	if (!c->profile_given || aws_profile_exists(c, c->profile))
		return 0;
	list_profiles(c, &names);
	return err_set(reterr, ERR_INVALID,
		       "there is no AWS profile '%s' in %s or %s; profiles there: %s", c->profile,
		       c->config_path, c->credentials_path, names.len ? buf_str(&names) : "none");
}

static int choose_region(struct aws_config *c, const char *given, struct err *reterr)
{
	const char *region = given && given[0] ? given : aws_env(c, "AWS_REGION");

	if (!region)
		region = aws_env(c, "AWS_DEFAULT_REGION");
	if (!region)
		region = aws_profile_key(c, c->profile, "region");
	if (!str_copy(c->region, sizeof(c->region), region ? region : ""))
		return err_set(reterr, ERR_INVALID,
			       "'%.64s…' is not an AWS region such as eu-west-1", region);
	return 0;
}

int aws_config_load(const struct aws_config_options *o, struct aws_config **ret, struct err *reterr)
{
	struct aws_config *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_errno(reterr, ENOMEM, "read the AWS configuration");
	c->env = json_object();
	c->config = json_object();
	c->sessions = json_object();
	c->services = json_object();
	take_environment(c, o->env ? o->env : environ);
	r = read_files(c, reterr);
	if (r >= 0)
		r = choose_profile(c, o->profile, reterr);
	if (r >= 0)
		r = choose_region(c, o->region, reterr);
	if (r < 0) {
		aws_config_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

int aws_config_again(const struct aws_config *old, struct aws_config **ret, struct err *reterr)
{
	struct aws_config *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_errno(reterr, ENOMEM, "read the AWS configuration");
	c->env = json_deep_copy(old->env); /* a deep copy: other threads read `old`, so its
					      reference counts must not change */
	c->config = json_object();
	c->sessions = json_object();
	c->services = json_object();
	r = read_files(c, reterr);
	if (r < 0) {
		aws_config_free(c);
		return r;
	}
	c->profile_given = old->profile_given;
	c->skip_env_keys = old->skip_env_keys;
	str_assign(c->profile, old->profile);
	str_assign(c->region, old->region);
	*ret = c;
	return 0;
}

void aws_config_free(struct aws_config *c)
{
	if (!c)
		return;
	json_decref(c->env);
	json_decref(c->config);
	json_decref(c->credentials);
	json_decref(c->sessions);
	json_decref(c->services);
	free(c);
}

const char *aws_config_region(const struct aws_config *c)
{
	return c->region;
}

const char *aws_config_ca_bundle(const struct aws_config *c)
{
	const char *path = aws_env(c, "AWS_CA_BUNDLE");

	return path ? path : aws_profile_key(c, c->profile, "ca_bundle");
}

int aws_config_max_attempts(const struct aws_config *c)
{
	const char *text = aws_env(c, "AWS_MAX_ATTEMPTS");
	int64_t n;

	if (!text)
		text = aws_profile_key(c, c->profile, "max_attempts");
	return text && str_to_i64(text, &n) == 0 && n >= 1 && n <= 100 ? (int)n : ATTEMPTS_DEFAULT;
}
