/* SPDX-License-Identifier: MIT */
/*
 * Keys below a prefix that are to become files: whether they can, together, before the first byte
 * is downloaded. That they lie below the prefix at all is checked where lists are read
 * (s3_list_result).
 */
#pragma once

#include "base/buf.h"
#include "transfer/transfer.h"

#include <stdbool.h>
#include <stdint.h>

#define LISTED_KEYS_OPEN_MAX 512 /* keys that begin with each other, at a time */

struct listed_keys {
	struct transfer *t;
	const char *bucket, *prefix;
	const json_t *exclude;
	const char *uri;		  /* what is listed, for messages */
	int64_t files;			  /* those that are no marks of folders */
	int64_t bytes;			  /* of those that become files */
	char *open[LISTED_KEYS_OPEN_MAX]; /* of the last key, those that it begins with */
	size_t open_n;
};

void listed_keys_done(struct listed_keys *k);
/* The path of a key below its prefix; NULL: it is no file (a console's mark of a folder), or it is
 * excluded. */
const char *listed_key_path(const char *key, int64_t size, const char *prefix,
			    const json_t *exclude);
/* The next key of the list, in S3's order. -ERR_INVALID: it cannot become a file, for its own sake
 * or for that of another; t->failure_code says which (key_conflict, name_too_long). -ERR_LIMIT: all
 * files together are too large. */
int listed_keys_add(struct listed_keys *k, const char *key, int64_t size,
		    struct err *reterr) MUSTCHECK;
