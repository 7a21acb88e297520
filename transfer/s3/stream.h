/* SPDX-License-Identifier: MIT */
/* An object written from beginning to end whose size is not known before: parts from a few buffers.
 * The same bytes again go on where an earlier try was ended. Main thread. */
#pragma once

#include "transfer/s3/put.h"

#define STREAM_BUFFERS_BYTES (INT64_C(32) << 20)
#define STREAM_PART_MAX	     (INT64_C(16) << 20)

struct stream;

/* At most max_bytes will be written. made_of is kept with the object. */
int stream_open(struct put *put, const char *key, const char *made_of, int64_t max_bytes,
		struct stream **ret, struct err *reterr) MUSTCHECK;
int stream_write(struct stream *s, const char *data, size_t len, struct err *reterr) MUSTCHECK;
/* The object is there when this returns 0. */
int stream_finish(struct stream *s, struct err *reterr) MUSTCHECK;
/* Without a finish: what has been sent is taken back. */
void stream_free(struct stream *s);
