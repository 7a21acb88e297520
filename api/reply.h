/* SPDX-License-Identifier: MIT */
/*
 * Answers. Each reply_* function makes the request's one answer (a later one replaces it); headers
 * are added to it afterwards with reply_header. Errors are application/problem+json, or SageMaker's
 * shape on routes that speak it.
 */
#pragma once

#include "api/request.h"

#include <sys/types.h>

/* Takes over `body`; NULL (memory is out) becomes a 500. */
void reply_json(struct request *rq, unsigned status, json_t *body);
/* Takes over `data` (malloc'd, NULL only when len is 0). */
void reply_bytes(struct request *rq, unsigned status, const char *type, char *data, size_t len);
void reply_empty(struct request *rq, unsigned status);
/* `len` bytes of an open file; takes over fd. */
void reply_file(struct request *rq, unsigned status, const char *type, int fd, uint64_t offset,
		uint64_t len);
void reply_header(struct request *rq, const char *name, const char *value);
void reply_header_int(struct request *rq, const char *name, int64_t value);

/* An answer of unknown length, sent in chunks. read() fills up to max bytes and returns how many;
 * STREAM_WAIT: it has suspended the connection and somebody will resume it; STREAM_END; or
 * STREAM_ABORT, which cuts the connection. free() runs once. */
#define STREAM_WAIT  0
#define STREAM_END   (-1)
#define STREAM_ABORT (-2)
struct stream {
	ssize_t (*read)(struct stream *s, char *buf, size_t max);
	void (*free)(struct stream *s);
};
/* Takes over `s`. */
void reply_stream(struct request *rq, unsigned status, const char *type, struct stream *s);

/* {"type":"urn:trainyard:CODE","title","status","detail"}. */
void reply_problem(struct request *rq, unsigned status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The same with "errors"; takes over the array. */
void reply_problems(struct request *rq, unsigned status, const char *code, json_t *errors,
		    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* From an error of the layers below: r is the negative result; the status follows from it, causes
 * that are ours are logged. */
void reply_error(struct request *rq, int r, const struct err *e);
/* SageMaker's error: {"Message": …} and x-amzn-ErrorType. */
void reply_sagemaker(struct request *rq, unsigned status, const char *type, json_t *more,
		     const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* "GEN-TEXT" as a weak ETag on the answer; when If-None-Match has it, 304 instead: returns true,
 * nothing more to do. Call it before or after the body was made. */
bool reply_etag(struct request *rq, const char *etag);
/* Answer `item` (taken over) with its own ETag (generation and "seq"), or 304. */
void reply_item(struct request *rq, unsigned status, json_t *item);

/* Hand the answer to the library. 0, or -1: the connection must be closed. server.c only. */
int reply_send(struct request *rq);
