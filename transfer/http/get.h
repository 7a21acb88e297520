/* SPDX-License-Identifier: MIT */
/*
 * Plain HTTP downloads for the sources url and hub. One exchange can be stopped, and its redirects
 * never carry a secret to another origin. A file download resumes where an earlier attempt ended.
 * Main thread only; bodies are written on the net thread.
 */
#pragma once

#include "transfer/transfer.h"

#define HTTP_REDIRECTS_MAX 5
#define HTTP_TRIES	   5 /* attempts in a row without a new byte */
#define HTTP_SECRET_MAX	   512

/* A request with a short answer. */
struct http_get_request {
	const char *method; /* "GET" or "HEAD" */
	const char *url;
	const char
		*authorization; /* whole header line, sent only to the origin of url; NULL: none */
	bool stay;		/* True if redirects must stay within the origin of url */
	size_t reply_max;
};

struct http_get_answer {
	struct net_request rq; /* status, head, reply */
	char url[NET_URL_MAX]; /* of the last answer */
};

/* Send a request and wait for the answer. Every HTTP status is success. After a temporary failure
 * (no connection, 408, 429, 5xx) there are up to HTTP_TRIES attempts, with a growing pause or that
 * of Retry-After.
 * The caller frees *ret with http_get_answer_done(), also after an error. -ERR_UNAVAILABLE: the
 * server cannot be reached; -ETIMEDOUT; -ERR_LIMIT: the answer is too long, or there were more than
 * HTTP_REDIRECTS_MAX redirects; -ERR_CANCELLED. */
int http_get_request(struct transfer *t, const struct http_get_request *ask,
		     struct http_get_answer *ret, struct err *reterr) MUSTCHECK;
void http_get_answer_done(struct http_get_answer *a);

enum http_digest {
	HTTP_NO_DIGEST,
	HTTP_SHA256,
	HTTP_GIT_SHA1, /* of "blob SIZE", NUL and the bytes: the file's id in git */
};

struct http_get_file {
	const char *url;
	const char *authorization; /* as in struct http_get_request */
	const char *path;	   /* if the file exists, the download appends to it */
	int64_t size;		   /* expected bytes; negative: not known */
	int64_t size_max;	   /* largest body in bytes; 0: no limit */
	bool public_only;	   /* see net_request */
	enum http_digest digest;
	const char *hex; /* expected digest, lower case */
};

/* Download into `path`, without a sync. If the server ignores ranges, the file starts again from
 * the beginning; after a wrong digest this happens once. *ret_status: the HTTP status of a refusal.
 * -ERR_CORRUPT: wrong size or digest, -ERR_LIMIT: longer than size_max; both remove the file.
 * -ERR_UNSUPPORTED: not a public address. -ERR_NOT_FOUND: refused for good, or more than
 * HTTP_REDIRECTS_MAX redirects. -ERR_UNAVAILABLE, -ETIMEDOUT, -ERR_CANCELLED, -errno of the
 * disk. */
int http_get_file(struct transfer *t, const struct http_get_file *get, int *ret_status,
		  struct err *reterr) MUSTCHECK;
