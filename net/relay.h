/* SPDX-License-Identifier: MIT */
/*
 * The net thread: HTTP requests over unix sockets to endpoints, many at a time, on one thread with
 * its own loop and a curl multi handle. It never touches the database. relay_send is thread-safe;
 * `done` runs on the net thread.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define RELAY_REQUESTS_MAX 1024 /* under way at once */

struct relay;

struct relay_request {
	int dirfd;	    /* directory of the socket; the relay closes it */
	const char *socket; /* name in it; static */
	const char *path;   /* "/invocations"; static */
	const char *body;   /* borrowed until done */
	size_t body_len;
	char content_type[128], accept[128]; /* "": none */
	int64_t timeout_us;
	size_t reply_max; /* bytes; a longer answer is -ERR_LIMIT */
	void (*done)(struct relay_request *rq);
	void *userdata;

	int result; /* 0: an HTTP answer came; -ERR_UNAVAILABLE, -ETIMEDOUT, -ERR_LIMIT */
	struct err err;
	int status;
	char *reply; /* the receiver frees */
	size_t reply_len;
	char reply_type[128];
	void *transfer;		    /* the relay's */
	struct relay_request *next; /* the relay's */
};

int relay_new(struct relay **ret, struct err *reterr) MUSTCHECK;
/* End what is under way with -ERR_UNAVAILABLE, then the thread; relay_send refuses from now on. */
void relay_stop(struct relay *r);
void relay_free(struct relay *r); /* stops it first; NULL is allowed */
/* 0: done will run exactly once. -ERR_LIMIT: too many under way; the request is untouched. */
int relay_send(struct relay *r, struct relay_request *rq, struct err *reterr) MUSTCHECK;
