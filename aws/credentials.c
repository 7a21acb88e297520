/* SPDX-License-Identifier: MIT */
/* The chain of credential providers, in botocore's order (credentials.py,
 * create_credential_resolver). */
#include "aws/credentials.h"

#include "aws/config.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <string.h>

#define CHAIN_MAX     8	    /* profiles that assume each other */
#define WEB_TOKEN_MAX 20000 /* bytes, STS's own limit */

struct chain {
	const struct aws_config *c;
	struct net *net;
	const char *visited[CHAIN_MAX];
	size_t visited_n;
	char *source;
	size_t source_size;
};

static int profile_keys(struct chain *ch, const char *profile, struct aws_keys *ret,
			struct err *reterr);

static void say(struct chain *ch, const char *words, const char *what)
{
	if (ch->source && !ch->source[0])
		str_excerptf(ch->source, ch->source_size, "%s%s", words, what);
}

static int too_long(struct err *reterr, const char *where)
{
	return err_set(reterr, ERR_INVALID,
		       "the keys in %s are longer than AWS keys can be; copy them again", where);
}

/* Each provider returns 1: found keys; 0: not configured; negative: configured wrongly. */

static int environment_keys(struct chain *ch, struct aws_keys *ret, struct err *reterr)
{
	const char *id = aws_env(ch->c, "AWS_ACCESS_KEY_ID");
	const char *secret = aws_env(ch->c, "AWS_SECRET_ACCESS_KEY");
	const char *token = aws_env(ch->c, "AWS_SESSION_TOKEN");
	const char *expires = aws_env(ch->c, "AWS_CREDENTIAL_EXPIRATION");

	if (!id)
		return 0;
	if (!secret)
		return err_set(
			reterr, ERR_INVALID,
			"AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not; set both");
	if (!token)
		token = aws_env(ch->c, "AWS_SECURITY_TOKEN");
	if (!str_copy(ret->id, sizeof(ret->id), id) ||
	    !str_copy(ret->secret, sizeof(ret->secret), secret) ||
	    !str_copy(ret->token, sizeof(ret->token), token ? token : ""))
		return too_long(reterr, "the environment");
	if (expires && clock_parse(expires, &ret->expires_us) < 0)
		return err_set(reterr, ERR_INVALID,
			       "AWS_CREDENTIAL_EXPIRATION is '%.40s', which is not a time such as "
			       "2026-01-31T12:00:00Z",
			       expires);
	say(ch, "", "the environment");
	return 1;
}

/* Read static keys of a profile from one of the two files. */
static int static_keys(struct chain *ch, const json_t *file, const char *path, const char *profile,
		       struct aws_keys *ret, struct err *reterr)
{
	const json_t *section = json_object_get(file, profile);
	const char *id = json_get_str(section, "aws_access_key_id", NULL);
	const char *secret = json_get_str(section, "aws_secret_access_key", NULL);
	const char *token = json_get_str(section, "aws_session_token", "");

	if (!id)
		return 0;
	if (!secret)
		return err_set(reterr, ERR_INVALID,
			       "profile '%s' in %s has aws_access_key_id and no "
			       "aws_secret_access_key; add the second",
			       profile, path);
	if (!str_copy(ret->id, sizeof(ret->id), id) ||
	    !str_copy(ret->secret, sizeof(ret->secret), secret) ||
	    !str_copy(ret->token, sizeof(ret->token), token))
		return too_long(reterr, path);
	say(ch, "", path);
	return 1;
}

static int container_keys(struct chain *ch, struct aws_keys *ret, struct err *reterr)
{
	int r;

	if (!aws_env(ch->c, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") &&
	    !aws_env(ch->c, "AWS_CONTAINER_CREDENTIALS_FULL_URI"))
		return 0;
	say(ch, "", "the container's role");
	r = aws_keys_from_container(ch->c, ch->net, ret, reterr);
	return r < 0 ? r : 1;
}

/* A failure is no error: the machine may not be on EC2, or it has no role. */
static int instance_keys(struct chain *ch, struct aws_keys *ret)
{
	if (aws_keys_from_instance(ch->c, ch->net, ret, NULL) < 0)
		return 0;
	say(ch, "", "the instance's role");
	return 1;
}

/* ---- roles ---- */

static int source_keys(struct chain *ch, const char *profile, struct aws_keys *ret,
		       struct err *reterr)
{
	const char *source = aws_profile_key(ch->c, profile, "source_profile");
	const char *from = aws_profile_key(ch->c, profile, "credential_source");
	int r;

	if (!source == !from)
		return err_set(reterr, ERR_INVALID,
			       "profile '%s' has role_arn and needs either source_profile or "
			       "credential_source; add one",
			       profile);
	if (source && str_eq(source, profile)) { /* the profile's own static keys */
		r = static_keys(ch, ch->c->credentials, ch->c->credentials_path, profile, ret,
				reterr);
		if (r == 0)
			r = static_keys(ch, ch->c->config, ch->c->config_path, profile, ret,
					reterr);
	} else if (source) {
		if (!aws_profile_exists(ch->c, source))
			return err_set(reterr, ERR_INVALID,
				       "profile '%s' names the source_profile '%s', which does not "
				       "exist; correct the name",
				       profile, source);
		r = profile_keys(ch, source, ret, reterr);
	} else if (str_eq(from, "Environment")) {
		r = environment_keys(ch, ret, reterr);
	} else if (str_eq(from, "EcsContainer")) {
		r = container_keys(ch, ret, reterr);
	} else if (str_eq(from, "Ec2InstanceMetadata")) {
		r = instance_keys(ch, ret);
	} else {
		return err_set(reterr, ERR_INVALID,
			       "credential_source of profile '%s' must be Environment, "
			       "EcsContainer or Ec2InstanceMetadata",
			       profile);
	}
	if (r == 0)
		return err_set(reterr, ERR_NOT_FOUND,
			       "the source_profile or credential_source of profile '%s' gives no "
			       "keys; choose another one",
			       profile);
	return r;
}

static bool has_static_keys(const struct aws_config *c, const char *profile)
{
	return aws_profile_key(c, profile, "aws_access_key_id") ||
	       aws_profile_key(c, profile, "aws_secret_access_key");
}

/* The region for STS if no other is configured. */
static const char *role_region(const struct aws_config *c, const char *profile)
{
	const char *region = aws_profile_key(c, profile, "region");

	return region ? region : "us-east-1";
}

static int role_keys(struct chain *ch, const char *profile, struct aws_keys *ret,
		     struct err *reterr)
{
	struct aws_role role = {
		.arn = aws_profile_key(ch->c, profile, "role_arn"),
		.session = aws_profile_key(ch->c, profile, "role_session_name"),
		.external_id = aws_profile_key(ch->c, profile, "external_id"),
		.duration = aws_profile_key(ch->c, profile, "duration_seconds"),
		.region = role_region(ch->c, profile),
	};
	struct aws_keys base = {0};
	int r;

	if (!role.arn || aws_profile_key(ch->c, profile, "web_identity_token_file") ||
	    (ch->visited_n > 1 && has_static_keys(ch->c, profile)))
		return 0;
	if (aws_profile_key(ch->c, profile, "mfa_serial"))
		return err_set(reterr, ERR_INVALID,
			       "profile '%s' needs MFA (mfa_serial), which the daemon does not "
			       "support: use a profile without MFA, or copy the keys that `aws "
			       "configure export-credentials --profile %s` prints into another "
			       "profile of ~/.aws/credentials, each time the session has ended",
			       profile, profile);
	say(ch, "the assumed role ", role.arn);
	r = source_keys(ch, profile, &base, reterr);
	if (r >= 0)
		r = aws_keys_from_role(ch->c, &role, ch->net, &base, ret, reterr);
	return r < 0 ? r : 1;
}

/* A setting for web identity. The environment has precedence for the daemon's own profile, unless
 * the options name the profile. A profile further down uses its own settings. */
static const char *web_setting(const struct chain *ch, const char *profile, const char *variable,
			       const char *key)
{
	bool mine = ch->visited_n == 1 && !ch->c->skip_env_keys;
	const char *text = mine ? aws_env(ch->c, variable) : NULL;

	return text ? text : aws_profile_key(ch->c, profile, key);
}

static int web_identity_keys(struct chain *ch, const char *profile, struct aws_keys *ret,
			     struct err *reterr)
{
	const char *path =
		web_setting(ch, profile, "AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file");
	OWN(buf_done) struct buf token = BUF_INIT(WEB_TOKEN_MAX);
	struct aws_role role = {
		.arn = web_setting(ch, profile, "AWS_ROLE_ARN", "role_arn"),
		.session = web_setting(ch, profile, "AWS_ROLE_SESSION_NAME", "role_session_name"),
		.region = role_region(ch->c, profile),
	};
	int r;

	if (!path)
		return 0;
	if (!role.arn)
		return err_set(reterr, ERR_INVALID,
			       "a web identity token needs a role: set AWS_ROLE_ARN, or role_arn "
			       "in profile '%s'",
			       profile);
	say(ch, "the web identity of ", role.arn);
	r = file_read(AT_FDCWD, path, &token, reterr);
	if (r < 0)
		return err_ctx(reterr, r, "the web identity token");
	role.web_token = buf_str(&token);
	r = aws_keys_from_role(ch->c, &role, ch->net, NULL, ret, reterr);
	return r < 0 ? r : 1;
}

static int sso_keys(struct chain *ch, const char *profile, struct aws_keys *ret, struct err *reterr)
{
	int r;

	if (!aws_profile_key(ch->c, profile, "sso_account_id") &&
	    !aws_profile_key(ch->c, profile, "sso_role_name"))
		return 0;
	say(ch, "SSO of profile ", profile);
	r = aws_keys_from_sso(ch->c, profile, ch->net, ret, reterr);
	return r < 0 ? r : 1;
}

static int process_keys(struct chain *ch, const char *profile, struct aws_keys *ret,
			struct err *reterr)
{
	const char *command = aws_profile_key(ch->c, profile, "credential_process");
	int r;

	if (!command)
		return 0;
	say(ch, "the credential_process of profile ", profile);
	r = aws_keys_from_process(command, ret, reterr);
	return r < 0 ? r : 1;
}

/* `aws login` seals its keys for the AWS CLI, so refuse such a profile. */
static int login_keys(struct chain *ch, const char *profile, struct err *reterr)
{
	if (!aws_profile_key(ch->c, profile, "login_session"))
		return 0;
	return err_set(reterr, ERR_UNSUPPORTED,
		       "profile '%s' uses a session of `aws login`, which only the AWS CLI can "
		       "open; add credential_process = aws configure export-credentials --profile "
		       "%s to another profile and use that",
		       profile, profile);
}

/* Try all providers of a profile. */
static int profile_keys(struct chain *ch, const char *profile, struct aws_keys *ret,
			struct err *reterr)
{
	const struct aws_config *c = ch->c;
	int r;

	for (size_t i = 0; i < ch->visited_n; i++)
		if (str_eq(ch->visited[i], profile))
			return err_set(reterr, ERR_INVALID,
				       "the profiles assume each other in a cycle that contains "
				       "'%s'; remove one source_profile",
				       profile);
	if (ch->visited_n == CHAIN_MAX)
		return err_set(
			reterr, ERR_LIMIT,
			"a chain of more than %d profiles assume each other; shorten the chain",
			CHAIN_MAX);
	ch->visited[ch->visited_n++] = profile;
	r = role_keys(ch, profile, ret, reterr);
	if (r == 0)
		r = web_identity_keys(ch, profile, ret, reterr);
	if (r == 0)
		r = sso_keys(ch, profile, ret, reterr);
	if (r == 0)
		r = static_keys(ch, c->credentials, c->credentials_path, profile, ret, reterr);
	if (r == 0)
		r = login_keys(ch, profile, reterr);
	if (r == 0)
		r = process_keys(ch, profile, ret, reterr);
	if (r == 0)
		r = static_keys(ch, c->config, c->config_path, profile, ret, reterr);
	return r;
}

int aws_credentials_resolve(const struct aws_config *c, struct net *net, struct aws_keys *ret,
			    char *ret_source, size_t source_size, struct err *reterr)
{
	struct chain ch = {.c = c, .net = net, .source = ret_source, .source_size = source_size};
	int r = 0;

	*ret = (struct aws_keys){0};
	if (ret_source)
		ret_source[0] = '\0';
	if (!c->skip_env_keys)
		r = environment_keys(&ch, ret, reterr);
	if (r == 0)
		r = profile_keys(&ch, c->profile, ret, reterr);
	if (r == 0)
		r = container_keys(&ch, ret, reterr);
	if (r == 0)
		r = instance_keys(&ch, ret);
	if (r == 0)
		return err_set(reterr, ERR_NOT_FOUND,
			       "there are no AWS credentials: not in the environment, not in "
			       "profile '%s' of %s and %s, and this machine has no role; set "
			       "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or run `aws configure`",
			       c->profile, c->credentials_path, c->config_path);
	return r < 0 ? r : 0;
}
