/* SPDX-License-Identifier: MIT */
/*
 * "s3://bucket/key" as text: what is a good one, its parts, and paths below it. Pure. The rules for
 * names are those of Amazon's user guide for general purpose buckets; keys are the caller's own.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define S3_BUCKET_MAX 63
#define S3_KEY_MAX    1024 /* bytes of UTF-8; also SageMaker's limit of a whole URI */

struct s3_uri {
	char bucket[S3_BUCKET_MAX + 1];
	char key[S3_KEY_MAX + 1]; /* without the '/' in front; "" is the whole bucket */
};

/* True if the text begins with "s3://". Nothing else is looked at. */
bool s3_uri_is(const char *s);
/* 3 to 63 lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit, no
 * two dots side by side, not the form of an IPv4 address. */
bool s3_bucket_ok(const char *bucket);
/* Split and check. The key may end with '/' (a prefix); it has no control characters and no part
 * that is "." or "..". -ERR_INVALID: the message is a whole sentence for the user. */
int s3_uri_parse(const char *s, struct s3_uri *ret, struct err *reterr) MUSTCHECK;
/* True if the URI stands for everything below it: the bucket alone, or an end with '/'. */
bool s3_uri_is_prefix(const char *s);
/* base and sub with exactly one '/' between them; sub "" gives base with '/' at its end. false: it
 * does not fit in `size`. buf may not overlap base and sub. */
bool s3_uri_join(char *buf, size_t size, const char *base, const char *sub);
