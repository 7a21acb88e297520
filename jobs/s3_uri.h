/* SPDX-License-Identifier: MIT */
/*
 * "s3://bucket/key" as text: validity, parts and paths below a URI. Bucket names follow Amazon's
 * rules for general purpose buckets; keys are free. Pure; spec checks, transfers and the daemon
 * call this.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define S3_BUCKET_MAX 63
#define S3_KEY_MAX    1024 /* bytes of UTF-8; also SageMaker's limit for a whole URI */

struct s3_uri {
	char bucket[S3_BUCKET_MAX + 1];
	char key[S3_KEY_MAX + 1]; /* without the leading '/'; "" is the whole bucket */
};

/* True if the text begins with "s3://". Nothing else is checked. */
bool s3_uri_is(const char *s);
/* Split and check a URI. The key may end with '/' (a prefix). A control character, or a part "." or
 * "..", is refused. -ERR_INVALID: the message is a whole sentence for the user. */
int s3_uri_parse(const char *s, struct s3_uri *ret, struct err *reterr) MUSTCHECK;
/* True if the URI means everything below it: a bucket alone, or a URI that ends with '/'. */
bool s3_uri_is_prefix(const char *s);
/* Join base and sub with exactly one '/'. sub "" gives base with a '/' at its end. Returns false if
 * the result does not fit. buf must not overlap base or sub. */
bool s3_uri_join(char *buf, size_t size, const char *base, const char *sub);
