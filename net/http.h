/* SPDX-License-Identifier: MIT */
/*
 * A small blocking HTTP client for command line tools (libcurl's easy interface). One `struct http`
 * talks to one server, over TCP or a unix socket, and keeps its connection between requests. Not
 * thread-safe. The daemon uses net/net.h, which never blocks.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_REPLY_MAX	    (64 << 20) /* bytes of a collected body */
#define HTTP_CONNECT_MAX_MS 5000
#define HTTP_TYPE_MAX	    1024 /* bytes of a content type, both ways */

struct http;

struct http_request {
	const char *method; /* "GET", "POST", "DELETE" */
	const char *path;   /* begins with '/', includes the query, already escaped */
	const void *body;   /* borrowed; NULL: none */
	size_t body_len;
	const char *content_type; /* of the body; NULL: application/json */
	int64_t timeout_ms;	  /* of the whole exchange; 0: no limit */
	/* If set, gets the bytes of a 2xx answer as they arrive; the reply's body stays empty. If
	 * it returns false, the transfer ends and http_send() returns -ERR_CANCELLED. */
	bool (*on_data)(void *userdata, const char *data, size_t len);
	void *userdata;
};

struct http_reply {
	int status;
	char content_type[HTTP_TYPE_MAX + 1]; /* "": the answer has none */
	struct buf body;
};

/* Open a client for `url`: "http://HOST[:PORT]" or "unix:/path/of/the/socket". Does not connect
 * yet. Free *ret with http_free(). -ERR_INVALID: another form. */
int http_open(const char *url, struct http **ret, struct err *reterr) MUSTCHECK;
void http_free(struct http *h);
void http_freep(struct http **h);

/* Send one request and wait for the answer. Every HTTP status is success. The caller frees *ret
 * with http_reply_done(), also after an error. -ERR_UNAVAILABLE: nothing listens there; -ETIMEDOUT;
 * -ERR_LIMIT: the body is longer than HTTP_REPLY_MAX; -EIO: the connection broke. */
int http_send(struct http *h, const struct http_request *req, struct http_reply *ret,
	      struct err *reterr) MUSTCHECK;
void http_reply_done(struct http_reply *reply);
