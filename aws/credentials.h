/* SPDX-License-Identifier: MIT */
/*
 * Keys, region and addresses from the environment, ~/.aws/config and ~/.aws/credentials (public
 * reference: botocore/credentials.py, configprovider.py). Blocking: these functions read files, run
 * a credential_process, and ask STS, SSO, or a metadata service through `net`.
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

/* The AWS settings of the environment and the files, read once by aws_config_load(). Only the
 * credential cache reads the files again, for keys. To apply other changes, restart the daemon.
 * Opaque, read-only, thread-safe. */
struct aws_config;

struct aws_config_options {
	const char *profile; /* given explicitly: keys in the environment are then ignored; NULL:
				none */
	const char *region;  /* given explicitly; NULL: none */
	char *const *env;    /* like environ; NULL: that of this process */
};

/* Read the settings. Missing files are no error. Free *ret with aws_config_free(). -ERR_INVALID: a
 * file cannot be parsed (the message names file and line), or the profile does not exist (the
 * message lists the profiles). */
int aws_config_load(const struct aws_config_options *o, struct aws_config **ret,
		    struct err *reterr) MUSTCHECK;
void aws_config_free(struct aws_config *c);
const char *aws_config_region(const struct aws_config *c);    /* "": none is configured */
const char *aws_config_ca_bundle(const struct aws_config *c); /* NULL: the system's */
int aws_config_max_attempts(const struct aws_config *c);      /* attempts per call, 3 by default */

/* The address of a call, and the names for its signature. */
struct aws_endpoint {
	char url[AWS_URL_MAX];	     /* "https://api.sagemaker.eu-west-1.amazonaws.com", no path */
	char base_path[AWS_URL_MAX]; /* path of a configured address; "": none */
	char host[AWS_HOST_MAX];     /* as signed: with a port if it is not the scheme's default */
	char sign_region[AWS_REGION_MAX];
	const char *sign_service;
	bool path_style; /* True if an S3 bucket goes into the path */
};
/* Find the address. bucket: of an S3 call, else NULL. -ERR_INVALID: `region` is not a valid
 * region. */
int aws_endpoint_of(const struct aws_config *c, enum aws_service service, const char *region,
		    const char *bucket, struct aws_endpoint *ret, struct err *reterr) MUSTCHECK;

/* Find keys: the first link of the chain that has some. *ret_source names it for people, without
 * secrets ("profile 'work' in ~/.aws/config, assumed role …").
 * -ERR_NOT_FOUND: no link has keys (the message lists the places); -ERR_INVALID: a link is
 * configured wrongly; -ERR_UNAVAILABLE: a link cannot be reached. */
int aws_credentials_resolve(const struct aws_config *c, struct net *net, struct aws_keys *ret,
			    char *ret_source, size_t source_size, struct err *reterr) MUSTCHECK;

/*
 * Keys that stay fresh. A thread resolves the chain again AWS_REFRESH_ADVISORY_US before the keys
 * expire. If their lifetime is shorter than twice that, it does so after half of it. After a
 * failure the old keys stay until they expire. A refusal by a service starts a resolve, too.
 */
#define AWS_REFRESH_ADVISORY_US (INT64_C(15) * 60 * 1000000)
#define AWS_KEYS_AGAIN_US	(INT64_C(30) * 1000000)

struct aws_credential_cache;
/* Start the thread. again_us: pause between two attempts while there are no keys; 0:
 * AWS_KEYS_AGAIN_US. An error is logged once, until another error or keys come. */
int aws_credential_cache_new(const struct aws_config *c, struct net *net, int64_t again_us,
			     struct aws_credential_cache **ret, struct err *reterr) MUSTCHECK;
void aws_credential_cache_free(struct aws_credential_cache *k);
/* The current keys. For any thread, does not block. -EAGAIN: the first keys, or new keys after a
 * refusal, are being looked for. Otherwise the reason why there are none. */
int aws_credential_cache_get(struct aws_credential_cache *k, struct aws_keys *ret,
			     struct err *reterr) MUSTCHECK;
/* Wait for keys; not on the net thread. */
int aws_credential_cache_wait(struct aws_credential_cache *k, struct aws_keys *ret,
			      struct err *reterr) MUSTCHECK;
/* Report that a service refused these keys (such as ExpiredToken): the thread resolves again, at
 * most every 5 s. */
void aws_credential_cache_refused(struct aws_credential_cache *k, const struct aws_keys *keys);
/* Set fn. It runs on the cache's thread each time that keys appear or disappear. */
void aws_credential_cache_on_change(struct aws_credential_cache *k, void (*fn)(void *userdata),
				    void *userdata);
