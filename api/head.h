/* SPDX-License-Identifier: MIT */
/*
 * The first line and the headers of a request: everything that can be refused before its body.
 * api/server.c calls it; the HTTP library itself refuses only what is beyond our limits by far.
 */
#pragma once

#include "api/request.h"

#define HEAD_HEADERS_MAX 64
#define HEAD_BYTES_MAX	 16384 /* of all names and values */

/* Check everything and choose the handler. If something is wrong the reply is made; rq->abrupt says
 * that the connection cannot go on, since where the body ends is in doubt. */
void head_check(struct request *rq);
/* -1: chunked, of unknown length; 0: no body. */
int64_t head_body_length(const struct request *rq);
/* Reply that the body is beyond `max` bytes. False, for convenience. */
bool head_body_too_large(struct request *rq, size_t max);
