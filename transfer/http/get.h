/* SPDX-License-Identifier: MIT */
/*
 * Plain HTTP downloads for the sources url and hub: one exchange that can be stopped, with
 * redirects that never carry a secret to another origin, and one file that goes on where an earlier
 * try ended. Main thread only; bodies are written on the net thread.
 */
#pragma once

#include "transfer/transfer.h"

#define HTTP_REDIRECTS_MAX 5
#define HTTP_TRIES	   5 /* without a new byte */
#define HTTP_SECRET_MAX	   512

/* One question with a short answer. */
struct http_get_request {
	const char *method; /* "GET" or "HEAD" */
	const char *url;
	const char
		*authorization; /* the whole header line, sent to the origin of url alone; NULL */
	bool stay;		/* follow redirects only within the origin of url */
	size_t reply_max;
};

struct http_get_answer {
	struct net_request rq; /* status, head, reply */
	char url[NET_URL_MAX]; /* of the last answer */
};

/* Any HTTP status is success; what is passing (no connection, 408, 429, 5xx) is tried HTTP_TRIES
 * times with a growing pause, or the one of Retry-After. The caller ends *ret with
 * http_get_answer_done, also on failure. -ERR_UNAVAILABLE: the server cannot be reached,
 * -ETIMEDOUT, -ERR_LIMIT: more redirects than HTTP_REDIRECTS_MAX or a longer answer,
 * -ERR_CANCELLED. */
int http_get_request(struct transfer *t, const struct http_get_request *ask,
		     struct http_get_answer *ret, struct err *reterr) MUSTCHECK;
void http_get_answer_done(struct http_get_answer *a);

enum http_digest {
	HTTP_NO_DIGEST,
	HTTP_SHA256,
	HTTP_GIT_SHA1, /* of "blob SIZE", NUL and the bytes: what git calls the file's id */
};

struct http_get_file {
	const char *url;
	const char *authorization; /* as above */
	const char *path;	   /* appended to when it is there */
	int64_t size;		   /* expected; negative: not known */
	int64_t size_max;	   /* Largest body; 0: no limit */
	bool public_only;	   /* see net_request */
	enum http_digest digest;
	const char *hex; /* expected, lower case */
};

/* Download into `path`, not durable. A server that ignores ranges starts from the beginning; a
 * wrong digest starts from the beginning once. *ret_status: HTTP status when the server refuses.
 * -ERR_CORRUPT: wrong size or digest, -ERR_LIMIT: longer than size_max (the file is removed after
 * both), -ERR_UNSUPPORTED: not public, -ERR_NOT_FOUND: the server refuses the address for good, or
 * redirects more than HTTP_REDIRECTS_MAX times, -ERR_UNAVAILABLE, -ETIMEDOUT, -ERR_CANCELLED,
 * -errno of the disk. */
int http_get_file(struct transfer *t, const struct http_get_file *get, int *ret_status,
		  struct err *reterr) MUSTCHECK;
