/* SPDX-License-Identifier: MIT */
/*
 * Checks the first line and the headers of a request, so that a bad request is refused before its
 * body. api/server.c calls this. The HTTP library itself refuses only what is far beyond these
 * limits.
 */
#pragma once

#include "api/request.h"

#define HEAD_HEADERS_MAX 64
#define HEAD_BYTES_MAX	 16384 /* bytes of all names and values */

/* Check the head and find the handler. On an error the reply is made. rq->abrupt is set if the end
 * of the body is uncertain, so that the connection must be closed. */
void head_check(struct request *rq);
/* Bytes of the body; -1: chunked, unknown length; 0: no body. */
int64_t head_body_length(const struct request *rq);
/* Reply that the body exceeds `max` bytes. Returns false, so that a caller can return the call. */
bool head_body_too_large(struct request *rq, size_t max);
