/* SPDX-License-Identifier: MIT */
/*
 * Builds the reply of a request. Each reply_* function sets the request's only reply; a later call
 * replaces it. Add headers afterwards, with reply_header. Errors are application/problem+json, or
 * have SageMaker's form on SageMaker routes. Handlers call this on their server thread.
 */
#pragma once

#include "api/request.h"

#include <sys/types.h>

/* Takes over `body`. NULL (memory is out) becomes a 500. */
void reply_json(struct request *rq, unsigned status, json_t *body);
/* As reply_json(), of JSON text without a final newline. Takes over the bytes; a buffer that has
 * failed becomes a 500. */
void reply_json_text(struct request *rq, unsigned status, struct buf *body);
/* Takes over `data` (allocated by malloc; NULL only if len is 0). */
void reply_bytes(struct request *rq, unsigned status, const char *type, char *data, size_t len);
void reply_empty(struct request *rq, unsigned status);
/* Reply `len` bytes of an open file from `offset`. Takes over fd. */
void reply_file(struct request *rq, unsigned status, const char *type, int fd, uint64_t offset,
		uint64_t len);
void reply_header(struct request *rq, const char *name, const char *value);
void reply_header_int(struct request *rq, const char *name, int64_t value);

/* A reply of unknown length, sent in chunks. read() fills at most max bytes and returns the number,
 * or STREAM_WAIT, STREAM_END or STREAM_ABORT. STREAM_WAIT: read() has suspended the connection, and
 * another thread will resume it. STREAM_ABORT: the connection is closed. free() is called once. */
#define STREAM_WAIT  0
#define STREAM_END   (-1)
#define STREAM_ABORT (-2)
struct stream {
	ssize_t (*read)(struct stream *s, char *buf, size_t max);
	void (*free)(struct stream *s);
};
/* Takes over `s`. */
void reply_stream(struct request *rq, unsigned status, const char *type, struct stream *s);

/* Reply {"type":"urn:trainyard:CODE","title","status","detail"}. */
void reply_problem(struct request *rq, unsigned status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* As reply_problem(), with "errors". Takes over the array. */
void reply_problems(struct request *rq, unsigned status, const char *code, json_t *errors,
		    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Reply an error of a lower layer. r is its negative result and selects the status. Internal causes
 * are logged. */
void reply_error(struct request *rq, int r, const struct err *e);
/* Reply SageMaker's error: {"Message": …} and x-amzn-ErrorType. */
void reply_sagemaker(struct request *rq, unsigned status, const char *type, json_t *more,
		     const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Set the weak ETag "GEN-TEXT". If If-None-Match contains it, replies 304 and returns true. Call
 * before or after the body is set. */
bool reply_etag(struct request *rq, const char *etag);
/* Reply `item` (taken over) with its own ETag (generation and "seq"), or 304. */
void reply_item(struct request *rq, json_t *item);

/* Pass the reply to the library. Returns 0, or -1 if the connection must be closed. Only server.c
 * calls this. */
int reply_send(struct request *rq);
