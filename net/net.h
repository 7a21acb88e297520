/* SPDX-License-Identifier: MIT */
/*
 * The net thread: HTTP exchanges in parallel, over TCP, TLS or a unix socket, on one thread with
 * its own loop and a curl multi handle. It never uses the database. The daemon has one net thread
 * (SageMaker, S3, requests to endpoints); a transfer worker has another.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/types.h>

#define NET_PROXIES_MAX	   16
#define NET_REQUESTS_MAX   1024	       /* under way at the same time */
#define NET_HEADERS_MAX	   32	       /* of a request */
#define NET_REPLY_HEAD_MAX (32 << 10)  /* bytes of a reply's headers that are kept */
#define NET_ERROR_BODY_MAX (256 << 10) /* bytes of the body of an answer without success */
#define NET_URL_MAX	   8192

struct net;

struct net_settings {
	const char *ca_bundle;	/* file; NULL: the system's */
	const char *user_agent; /* NULL: "trainyard" */
	int connections_max;	/* per host; 0: no limit */
	/* Private addresses to which requests with public_only may connect: the proxies. */
	struct sockaddr_storage proxies[NET_PROXIES_MAX];
	size_t proxies_n;
};

/* One exchange. The caller fills the first part and owns all of its memory. It must not change or
 * free anything until `done` has run. Callbacks run on the net thread and must not block. */
struct net_request {
	const char *method; /* "GET", "HEAD", "PUT", "POST", "DELETE"; static */
	const char *url;    /* escaped; sent unchanged, also dot segments */
	/* Lines "Name: value", borrowed. Only Host, Content-Length and these lines are sent. */
	const char *headers[NET_HEADERS_MAX];
	size_t headers_n;
	int unix_dirfd;		 /* -1: TCP; else a directory, which the net thread closes … */
	const char *unix_socket; /* … and the socket's name in it; static */

	/* True if the request may connect only to public addresses and to the settings' proxies.
	 * Each connection is checked by its address. -ERR_UNSUPPORTED: another address. */
	bool public_only;

	const void *body; /* borrowed; NULL with body_len > 0: use read_body */
	size_t body_len;
	/* Copies up to `size` bytes of the body from `offset`; negative: cancel the request. */
	ssize_t (*read_body)(struct net_request *rq, char *data, size_t size, size_t offset);

	/* Most bytes of a collected 2xx body; 0: NET_ERROR_BODY_MAX. A longer body gives
	 * -ERR_LIMIT. */
	size_t reply_max;
	/* If set, gets the 2xx body as it arrives; nothing is collected. False cancels the
	 * request. */
	bool (*on_data)(struct net_request *rq, const char *data, size_t len);

	int64_t connect_timeout_us; /* 0: 5 s */
	int64_t timeout_us;	    /* of the whole exchange; 0: none */
	int64_t stall_us;	    /* longest time without a byte; 0: 60 s */
	void (*done)(struct net_request *rq);
	void *userdata;

	int result; /* 0: an HTTP answer; -ERR_UNAVAILABLE: no connection; -ETIMEDOUT; -EIO: the
		       connection broke; -ERR_LIMIT; -ERR_CANCELLED: by a callback or net_cancel()
		     */
	struct err err;
	bool sent;			/* True if the server may have received the request */
	int status;			/* HTTP status */
	struct buf head;		/* header lines as received, "Name: value\r\n" each */
	struct buf reply;		/* collected body */
	void *transfer;			/* the net thread's own */
	STAILQ_ENTRY(net_request) link; /* likewise */
};

/* Zero the request and set unix_dirfd to -1. */
void net_request_init(struct net_request *rq);
/* Free head and reply, but not the caller's fields. */
void net_request_done(struct net_request *rq);
/* Copy the value of a reply header into ret; the name's case is ignored. False if it is absent or
 * does not fit. */
bool net_reply_header(const struct net_request *rq, const char *name, char *ret, size_t size);

int net_new(const struct net_settings *settings, struct net **ret, struct err *reterr) MUSTCHECK;
/* End all requests with -ERR_UNAVAILABLE, then the thread. From then on net_send() refuses. Blocks
 * until the thread has ended. */
void net_stop(struct net *n);
void net_free(struct net *n); /* stops it first; NULL is allowed */

/* Send a request. For any thread, does not block. 0: `done` will run exactly once. -ERR_LIMIT: too
 * many requests are under way, -ERR_UNAVAILABLE: the thread is stopping. After an error the request
 * is unchanged, and unix_dirfd is still the caller's. */
int net_send(struct net *n, struct net_request *rq, struct err *reterr) MUSTCHECK;
/* Cancel the request; `done` runs as after any other end. For any thread, does not block. */
void net_cancel(struct net *n, struct net_request *rq);
/* Send and wait; not on the net thread. Returns rq->result and fills *reterr. */
int net_wait(struct net *n, struct net_request *rq, struct err *reterr) MUSTCHECK;

/* A function that runs on the net thread after delay_us (0: soon, in the order of the calls). For
 * any thread; the caller owns the task until fn runs. If the net thread stops first, fn runs with
 * stopped = true; after the stop, on the caller's thread. */
struct net_task {
	void (*fn)(struct net_task *task, bool stopped);
	void *source; /* the net thread's own */
	struct net *net;
	int64_t delay_us;
	STAILQ_ENTRY(net_task) link; /* the net thread's own */
};
void net_after(struct net *n, struct net_task *task, int64_t delay_us);
/* Run a waiting task soon. Only on the net thread, and not in the turn in which its wait began. */
void net_hurry(struct net_task *task);
