/* SPDX-License-Identifier: MIT */
/*
 * AWS Signature Version 4 (public reference: docs.aws.amazon.com, "Signature Version 4 signing
 * process", and botocore/auth.py). Pure, thread-safe.
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
	const char *host;		    /* with ":port" when it is not the scheme's */
	const char *path;		    /* as on the wire, escaped */
	const char *query;		    /* as on the wire, without '?'; "" */
	const struct sigv4_header *headers; /* to be signed too: content-type, x-amz-target, ... */
	size_t headers_n;
	const void *body;
	size_t body_len;
	const char *payload_hash; /* hex, or SIGV4_UNSIGNED_PAYLOAD; NULL: hash the body */
	const char *service, *region;
	bool s3; /* path encoded once and not normalised; x-amz-content-sha256 is sent and signed */
	int64_t now_us;
};

/* Appends the header lines to send, each "Name: value\n": X-Amz-Date, Authorization, and where they
 * apply X-Amz-Security-Token and X-Amz-Content-SHA256. */
int sigv4_sign(const struct sigv4_request *rq, const struct aws_keys *keys, struct buf *lines,
	       struct err *reterr) MUSTCHECK;
/* Parts of it, for tests. */
int sigv4_canonical(const struct sigv4_request *rq, const struct aws_keys *keys, struct buf *ret,
		    struct err *reterr) MUSTCHECK;
