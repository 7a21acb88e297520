/* SPDX-License-Identifier: MIT */
/*
 * Keys below a prefix that are to become files. The check comes before the first download: all keys
 * must be possible file names, together. s3_list_result() checks that each key lies below the
 * prefix.
 */
#pragma once

#include "base/buf.h"
#include "transfer/transfer.h"

#include <stdbool.h>
#include <stdint.h>

#define LISTED_KEYS_OPEN_MAX 512 /* keys at a time that begin with each other */

struct listed_keys {
	struct transfer *t;
	const char *bucket, *prefix;
	const json_t *exclude;
	const char *uri;		  /* of the list, for messages */
	int64_t files;			  /* keys that are not folder marks */
	int64_t bytes;			  /* sum of the keys that become files */
	char *open[LISTED_KEYS_OPEN_MAX]; /* earlier keys that are prefixes of the last key */
	size_t open_n;
};

void listed_keys_done(struct listed_keys *k);
/* The path of a key below its prefix. NULL: a folder mark of the console, or excluded. */
const char *listed_key_path(const char *key, int64_t size, const char *prefix,
			    const json_t *exclude);
/* Check the next key of the list, in S3's order. -ERR_INVALID: the key cannot be a file, by itself
 * or beside another key; t->failure_code names the cause (key_conflict, name_too_long). -ERR_LIMIT:
 * the sum of the files is too large. */
int listed_keys_add(struct listed_keys *k, const char *key, int64_t size,
		    struct err *reterr) MUSTCHECK;
