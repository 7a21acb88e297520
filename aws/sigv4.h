/* SPDX-License-Identifier: MIT */
/*
 * AWS Signature Version 4 (public reference: docs.aws.amazon.com, "Signature Version 4 signing
 * process", and botocore/auth.py). Pure functions, thread-safe.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"

struct aws_keys {
	char id[129];
	char secret[129];
	char token[8193];   /* session token; "": none */
	int64_t expires_us; /* wall clock; 0: never */
};

struct sigv4_header {
	const char *name, *value;
};

struct sigv4_request {
	const char *method;
	const char *host;  /* with ":port" if it is not the scheme's default */
	const char *path;  /* as sent, escaped */
	const char *query; /* as sent, without '?'; "": none */
	const struct sigv4_header
		*headers; /* further headers to sign: content-type, x-amz-target, … */
	size_t headers_n;
	const void *body;
	size_t body_len;
	const char *payload_hash; /* hex, or SIGV4_UNSIGNED_PAYLOAD; NULL: hash the body */
	const char *service, *region;
	bool s3; /* True if the path is encoded once and not normalised; x-amz-content-sha256 is
		    then sent and signed */
	int64_t now_us;
};

/* Append the header lines to send, each "Name: value\n": X-Amz-Date, Authorization, and
 * if they apply X-Amz-Security-Token and X-Amz-Content-SHA256. */
int sigv4_sign(const struct sigv4_request *rq, const struct aws_keys *keys, struct buf *lines,
	       struct err *reterr) MUSTCHECK;
/* The canonical request, for tests. */
int sigv4_canonical(const struct sigv4_request *rq, const struct aws_keys *keys, struct buf *ret,
		    struct err *reterr) MUSTCHECK;
