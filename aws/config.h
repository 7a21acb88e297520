/* SPDX-License-Identifier: MIT */
/*
 * The AWS settings of the environment and the files as JSON objects, inside aws/. Public reference:
 * botocore/configloader.py (the files' grammar) and configprovider.py (the precedence).
 */
#pragma once

#include "aws/credentials.h"
#include "base/json.h"

#include <limits.h>

#define AWS_FILE_MAX (1 << 20) /* bytes of a configuration file */

struct aws_config {
	json_t *env;	     /* AWS_* and HOME */
	json_t *config;	     /* the config file: profile → key → value */
	json_t *credentials; /* the credentials file, likewise */
	json_t *sessions;    /* sso-session name → key → value */
	json_t *services;    /* name → service → key → value */
	char profile[256];
	bool profile_given; /* True if options or environment name the profile: it must exist */
	bool skip_env_keys; /* True if the options name the profile: keys in the environment are
			       ignored */
	char region[AWS_REGION_MAX];
	char config_path[PATH_MAX], credentials_path[PATH_MAX];
};

/* Parse either file into {"SECTION": {"key": "value" or {"nested": "value"}}}, a new reference.
 * `name` is for messages. -ERR_INVALID: the message names the line. */
int aws_ini_parse(const char *text, const char *name, json_t **ret, struct err *reterr) MUSTCHECK;

/* Read the files again, with the environment, profile and region of `old`. Credentials are looked
 * up in the result, so that keys of a later login are found. Free *ret with aws_config_free(). */
int aws_config_again(const struct aws_config *old, struct aws_config **ret,
		     struct err *reterr) MUSTCHECK;

/* A variable of the environment; NULL: unset or empty. */
const char *aws_env(const struct aws_config *c, const char *name);
/* A key of a profile; the credentials file has precedence. NULL: absent. */
const char *aws_profile_key(const struct aws_config *c, const char *profile, const char *key);
bool aws_profile_exists(const struct aws_config *c, const char *profile);

/* ---- keys from elsewhere: sources.c (STS), metadata.c, sso.c; all blocking ---- */
int aws_keys_from_json(const char *text, size_t len, const char *id, const char *secret,
		       const char *token, const char *expires, const char *what,
		       struct aws_keys *ret, struct err *reterr) MUSTCHECK;
int aws_keys_from_container(const struct aws_config *c, struct net *net, struct aws_keys *ret,
			    struct err *reterr) MUSTCHECK;
int aws_keys_from_instance(const struct aws_config *c, struct net *net, struct aws_keys *ret,
			   struct err *reterr) MUSTCHECK;
int aws_keys_from_sso(const struct aws_config *c, const char *profile, struct net *net,
		      struct aws_keys *ret, struct err *reterr) MUSTCHECK;
/* sso_token.c: the session's token, renewed if it ends soon. Blocking. */
struct aws_sso {
	const char *name; /* name in the cache: the session's, or else the start URL */
	bool is_session;  /* True if a [sso-session] has it: its token can be renewed */
	const char *url, *region, *account, *role;
};
int aws_sso_token(const struct aws_config *c, const struct aws_sso *sso, struct net *net, char *ret,
		  size_t size, struct err *reterr) MUSTCHECK;
int aws_keys_from_process(const char *command, struct aws_keys *ret, struct err *reterr) MUSTCHECK;
struct aws_role {
	const char *arn, *session, *external_id, *web_token; /* NULL: none */
	const char *duration;				     /* seconds as text; NULL: none */
	const char *region; /* used if the configuration has none */
};
/* AssumeRole, signed with `keys`; if keys is NULL, AssumeRoleWithWebIdentity. Blocking. */
int aws_keys_from_role(const struct aws_config *c, const struct aws_role *role, struct net *net,
		       const struct aws_keys *keys, struct aws_keys *ret,
		       struct err *reterr) MUSTCHECK;
