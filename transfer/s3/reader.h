/* SPDX-License-Identifier: MIT */
/* Reads an object from beginning to end, a few ranges ahead of the caller. Main thread. */
#pragma once

#include "transfer/s3/checksum.h"
#include "transfer/s3/download.h"

#define READER_BUFFERS_MAX 4

struct reader {
	struct s3_source *source;
	struct s3_object o;
	struct {
		char *data;
		int64_t offset, len;
		bool busy; /* True if its range is under way */
	} buffers[READER_BUFFERS_MAX];
	int buffers_n;
	int64_t chunk, asked, given; /* bytes */
	int tries;
	struct checksum sum;
	struct err err; /* for a caller behind libarchive */
	int result;
};

/* Begin to read *o (of s3_object_result()): ranges of `chunk` bytes, `ahead` of them (at most
 * READER_BUFFERS_MAX). */
int reader_open(struct reader *r, struct s3_source *src, const struct s3_object *o, int64_t chunk,
		int ahead, struct err *reterr) MUSTCHECK;
/* The next bytes, valid until the next call; 0: the end. Blocking. */
ssize_t reader_next(struct reader *r, const void **ret, struct err *reterr) MUSTCHECK;
/* Read the rest and compare the whole with S3's checksum. Blocking. */
int reader_check(struct reader *r, struct err *reterr) MUSTCHECK;
void reader_close(struct reader *r);
