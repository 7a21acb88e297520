/* SPDX-License-Identifier: MIT */
/*
 * A small blocking HTTP client for command line tools (libcurl's easy interface). One `struct http`
 * talks to one server, over TCP or a unix socket, and keeps its connection between requests. Not
 * thread-safe; the daemon uses net/relay.h instead, which never blocks.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_REPLY_MAX	    (64 << 20) /* bytes of a collected body */
#define HTTP_CONNECT_MAX_MS 5000

struct http;

struct http_request {
	const char *method; /* "GET", "POST", "DELETE" */
	const char *path;   /* begins with '/', with the query, already escaped */
	const void *body;   /* borrowed; NULL: none */
	size_t body_len;
	const char *content_type; /* of the body; NULL: application/json */
	int64_t timeout_ms;	  /* of the whole exchange; 0: no limit */
	/* When set, gets the bytes of a 2xx answer as they come, and the reply's body stays empty.
	 * false ends the transfer: http_send then returns -ERR_CANCELLED. */
	bool (*on_data)(void *userdata, const char *data, size_t len);
	void *userdata;
};

struct http_reply {
	int status;
	char content_type[96]; /* "" when the answer has none */
	struct buf body;
};

/* `url` is "http://HOST[:PORT]" or "unix:/path/of/the/socket". -ERR_INVALID when it is neither. */
int http_open(const char *url, struct http **ret, struct err *reterr) MUSTCHECK;
void http_free(struct http *h);
void http_freep(struct http **h);

/* One exchange; any HTTP status is success. The caller ends *ret with http_reply_done, also on
 * failure. -ERR_UNAVAILABLE: nobody listens there; -ETIMEDOUT; -ERR_LIMIT: the body is longer than
 * HTTP_REPLY_MAX; -EIO: the connection broke. */
int http_send(struct http *h, const struct http_request *req, struct http_reply *ret,
	      struct err *reterr) MUSTCHECK;
void http_reply_done(struct http_reply *reply);
