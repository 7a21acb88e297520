/* SPDX-License-Identifier: MIT */
/*
 * Where keys, region and addresses come from: the environment, ~/.aws/config and ~/.aws/credentials
 * (public reference: botocore/credentials.py, configprovider.py). Blocking: reads files, runs a
 * credential_process, asks STS, SSO, a container's or an instance's metadata service through `net`.
 */
#pragma once

#include "aws/sigv4.h"
#include "base/err.h"
#include "net/net.h"

#include <stdbool.h>

#define AWS_REGION_MAX 32
#define AWS_HOST_MAX   256
#define AWS_URL_MAX    1024

enum aws_service {
	AWS_SAGEMAKER,
	AWS_RUNTIME, /* sagemaker-runtime */
	AWS_S3,
	AWS_IAM,
	AWS_STS,
	AWS_LOGS,
	AWS_CLOUDWATCH,
	AWS_SSO,
	AWS_SSO_OIDC,
	AWS_SERVICES_,
};

/* Everything that was said about AWS: environment and files, read once by aws_config_load. Only the
 * credential cache reads the files again, for keys; a daemon that wants other changes is restarted.
 * Opaque; read-only, thread-safe. */
struct aws_config;

struct aws_config_options {
	const char *profile; /* given explicitly: then keys in the environment are not used */
	const char *region;  /* given explicitly */
	char *const *env;    /* as environ; NULL: this process's */
};

/* -ERR_INVALID: a file cannot be parsed, or the profile does not exist (the message names the file
 * and the line, or the profiles there are). Missing files are fine. */
int aws_config_load(const struct aws_config_options *o, struct aws_config **ret,
		    struct err *reterr) MUSTCHECK;
void aws_config_free(struct aws_config *c);
const char *aws_config_region(const struct aws_config *c);    /* "" when nothing names one */
const char *aws_config_ca_bundle(const struct aws_config *c); /* NULL: the system's */
int aws_config_max_attempts(const struct aws_config *c);      /* of one call, default 3 */

/* Where to send a call and what to sign it for. */
struct aws_endpoint {
	char url[AWS_URL_MAX];	     /* "https://api.sagemaker.eu-west-1.amazonaws.com", no path */
	char base_path[AWS_URL_MAX]; /* of a configured address that has one; "" */
	char host[AWS_HOST_MAX];     /* as signed: with a port when it is not the scheme's */
	char sign_region[AWS_REGION_MAX];
	const char *sign_service;
	bool path_style; /* S3: the bucket is in the path */
};
/* bucket: of an S3 call, else NULL. -ERR_INVALID: the region is not one. */
int aws_endpoint_of(const struct aws_config *c, enum aws_service service, const char *region,
		    const char *bucket, struct aws_endpoint *ret, struct err *reterr) MUSTCHECK;

/* The first link of the chain that has keys. -ERR_NOT_FOUND: none has (the message lists where it
 * looked); -ERR_INVALID: a link is configured wrongly; -ERR_UNAVAILABLE: a link cannot be reached.
 * *ret_source is static words for people ("profile 'work' in ~/.aws/config, assumed role …" goes
 * to the log without secrets). */
int aws_credentials_resolve(const struct aws_config *c, struct net *net, struct aws_keys *ret,
			    char *ret_source, size_t source_size, struct err *reterr) MUSTCHECK;

/*
 * Keys that stay fresh: a thread that resolves the chain, again AWS_REFRESH_ADVISORY_US before they
 * expire (after half of a life that is shorter than twice that; a failure keeps the old ones until
 * they end), and again whenever somebody says they were refused.
 */
#define AWS_REFRESH_ADVISORY_US (INT64_C(15) * 60 * 1000000)
#define AWS_KEYS_AGAIN_US	(INT64_C(30) * 1000000)

struct aws_credential_cache;
/* again_us: between two tries while there are none; 0: AWS_KEYS_AGAIN_US. Each trouble is logged
 * once, until another one or keys come. */
int aws_credential_cache_new(const struct aws_config *c, struct net *net, int64_t again_us,
			     struct aws_credential_cache **ret, struct err *reterr) MUSTCHECK;
void aws_credential_cache_free(struct aws_credential_cache *k);
/* Any thread, does not block. -EAGAIN: they are being looked for, for the first time or because
 * they were refused; else why there are none. */
int aws_credential_cache_get(struct aws_credential_cache *k, struct aws_keys *ret,
			     struct err *reterr) MUSTCHECK;
/* Wait for that (not on the net thread). */
int aws_credential_cache_wait(struct aws_credential_cache *k, struct aws_keys *ret,
			      struct err *reterr) MUSTCHECK;
/* The service said ExpiredToken or the like about these: resolve again (at most every 5 s). */
void aws_credential_cache_refused(struct aws_credential_cache *k, const struct aws_keys *keys);
/* fn runs on the credential cache's thread after each change between having keys and having none.
 */
void aws_credential_cache_on_change(struct aws_credential_cache *k, void (*fn)(void *userdata),
				    void *userdata);
