/* SPDX-License-Identifier: MIT */
/* Parses and joins S3 URIs, with Amazon's rules for bucket names. */
#include "jobs/s3_uri.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define SCHEME	   "s3://"
#define BUCKET_MIN 3

bool s3_uri_is(const char *s)
{
	return str_starts(s, SCHEME);
}

/* 3 to 63 lower-case letters, digits, '-' and '.'. The first and the last are a letter or digit; no
 * two dots side by side; not the form of an IPv4 address. */
static bool s3_bucket_ok(const char *bucket)
{
	static const char ends[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char inside[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
	size_t n = strlen(bucket);
	struct in_addr address;

	return n >= BUCKET_MIN && n <= S3_BUCKET_MAX && strchr(ends, bucket[0]) &&
	       strchr(ends, bucket[n - 1]) && !bucket[strspn(bucket, inside)] &&
	       !strstr(bucket, "..") && inet_pton(AF_INET, bucket, &address) != 1;
}

/* True if a part between slashes is "." or "..". */
static bool has_dots(const char *key)
{
	for (const char *part = key; part; part = strchr(part, '/')) {
		size_t n;

		part += *part == '/';
		n = strcspn(part, "/");
		if ((n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
			return true;
	}
	return false;
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

int s3_uri_parse(const char *s, struct s3_uri *ret, struct err *reterr)
{
	const char *bucket, *slash;
	size_t n;

	*ret = (struct s3_uri){0};
	if (!s3_uri_is(s))
		return err_set(reterr, ERR_INVALID,
			       "'%s' is not an S3 address; write s3://bucket/key", s);
	if (has_control(s))
		return err_set(reterr, ERR_INVALID,
			       "the S3 address contains control characters; remove them");
	bucket = s + strlen(SCHEME);
	n = strcspn(bucket, "/");
	if (n <= S3_BUCKET_MAX)
		str_must_format(ret->bucket, sizeof(ret->bucket), "%.*s", (int)n, bucket);
	if (!s3_bucket_ok(ret->bucket))
		return err_set(reterr, ERR_INVALID,
			       "'%.*s' is not the name of a bucket; use %d to %d lower-case "
			       "letters, digits, '-' and '.'",
			       (int)(n < 2 * S3_BUCKET_MAX ? n : 2 * S3_BUCKET_MAX), bucket,
			       BUCKET_MIN, S3_BUCKET_MAX);
	slash = bucket + n;
	if (!str_copy(ret->key, sizeof(ret->key), *slash ? slash + 1 : ""))
		return err_set(reterr, ERR_INVALID,
			       "the key of the S3 address has more than %d bytes; shorten it",
			       S3_KEY_MAX);
	if (has_dots(ret->key))
		return err_set(reterr, ERR_INVALID,
			       "'%s' contains a part '.' or '..', which S3 takes as a name; write "
			       "the key without them",
			       s);
	return 0;
}

bool s3_uri_is_prefix(const char *s)
{
	return str_ends(s, "/") || (s3_uri_is(s) && !strchr(s + strlen(SCHEME), '/'));
}

bool s3_uri_join(char *buf, size_t size, const char *base, const char *sub)
{
	int n;

	while (*sub == '/')
		sub++;
	n = snprintf(buf, size, "%s%s%s", base, str_ends(base, "/") ? "" : "/", sub);
	return n >= 0 && (size_t)n < size;
}
