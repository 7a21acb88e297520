/* SPDX-License-Identifier: MIT */
/* Writes an object of unknown size from beginning to end, in parts from a few buffers. If the same
 * bytes are written again, the upload resumes where an earlier attempt ended. Main thread. */
#pragma once

#include "transfer/s3/put.h"

#define STREAM_BUFFERS_BYTES (INT64_C(32) << 20)
#define STREAM_PART_MAX	     (INT64_C(16) << 20)

struct stream;

/* Begin an object of at most max_bytes. `made_of` is stored with the object. Free *ret with
 * stream_free(). */
int stream_open(struct put *put, const char *key, const char *made_of, int64_t max_bytes,
		struct stream **ret, struct err *reterr) MUSTCHECK;
int stream_write(struct stream *s, const char *data, size_t len, struct err *reterr) MUSTCHECK;
/* Send the rest and complete the object. 0: the object exists. */
int stream_finish(struct stream *s, struct err *reterr) MUSTCHECK;
/* If stream_finish() did not succeed, the sent parts are removed. */
void stream_free(struct stream *s);
