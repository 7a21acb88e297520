/* SPDX-License-Identifier: MIT */
/*
 * What was said about AWS, inside aws/: environment and files as JSON objects. Public reference:
 * botocore/configloader.py (the files' grammar) and configprovider.py (who wins).
 */
#pragma once

#include "aws/credentials.h"
#include "base/json.h"

#define AWS_FILE_MAX (1 << 20) /* bytes of a configuration file */

struct aws_config {
	json_t *env;	     /* AWS_* and HOME */
	json_t *config;	     /* profile → key → value, of the config file */
	json_t *credentials; /* the same of the credentials file */
	json_t *sessions;    /* sso-session name → key → value */
	json_t *services;    /* name → service → key → value */
	char profile[256];
	bool profile_given; /* explicitly, or by the environment: it must exist */
	bool skip_env_keys; /* explicitly */
	char region[AWS_REGION_MAX];
	char config_path[AWS_URL_MAX], credentials_path[AWS_URL_MAX];
};

/* The grammar of both files: {"SECTION": {"key": "value" or {"nested": "value"}}}. `name` is for
 * messages. -ERR_INVALID names the line. */
int aws_ini_parse(const char *text, const char *name, json_t **ret, struct err *reterr) MUSTCHECK;

/* The files as they are now, with the environment, profile and region of `old`: where keys are
 * looked for, so that those that a login has written meanwhile are found. */
int aws_config_again(const struct aws_config *old, struct aws_config **ret,
		     struct err *reterr) MUSTCHECK;

/* A variable of the environment; NULL when unset or empty. */
const char *aws_env(const struct aws_config *c, const char *name);
/* A key of a profile: the credentials file's wins. NULL: not there. */
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
/* sso_token.c: the session's token, renewed when it ends soon. `net` as above. */
struct aws_sso {
	const char *name; /* of the cache: the session's, else the start URL */
	bool is_session;  /* of a [sso-session], whose token can be renewed */
	const char *url, *region, *account, *role;
};
int aws_sso_token(const struct aws_config *c, const struct aws_sso *sso, struct net *net, char *ret,
		  size_t size, struct err *reterr) MUSTCHECK;
int aws_keys_from_process(const char *command, struct aws_keys *ret, struct err *reterr) MUSTCHECK;
struct aws_role {
	const char *arn, *session, *external_id, *web_token; /* NULL: none */
	const char *duration;				     /* seconds as text, NULL */
	const char *region;				     /* when the configuration has none */
};
/* AssumeRole signed with `keys`, or AssumeRoleWithWebIdentity (keys NULL). */
int aws_keys_from_role(const struct aws_config *c, const struct aws_role *role, struct net *net,
		       const struct aws_keys *keys, struct aws_keys *ret,
		       struct err *reterr) MUSTCHECK;
