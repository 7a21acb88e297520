/* SPDX-License-Identifier: MIT */
/*
 * The net thread: HTTP exchanges, many at a time, over TCP, TLS or a unix socket, on one thread
 * with its own loop and a curl multi handle. It never touches the database. The daemon has one
 * (SageMaker, S3, relayed requests to endpoints); a transfer worker has one of its own.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define NET_PROXIES_MAX	   16
#define NET_REQUESTS_MAX   1024	       /* under way at once */
#define NET_HEADERS_MAX	   32	       /* of a request */
#define NET_REPLY_HEAD_MAX (32 << 10)  /* bytes of a reply's headers that are kept */
#define NET_ERROR_BODY_MAX (256 << 10) /* bytes of the body of an answer that is not 2xx */
#define NET_URL_MAX	   8192

struct net;

struct net_settings {
	const char *ca_bundle;	/* file; NULL: the system's */
	const char *user_agent; /* NULL: "trainyard" */
	int connections_max;	/* per host; 0: no limit */
	/* What requests with public_only may connect to although it is private: the proxies. */
	struct sockaddr_storage proxies[NET_PROXIES_MAX];
	size_t proxies_n;
};

/* One exchange. The caller fills the first part, owns all of its memory, and leaves it alone until
 * `done` has run. Callbacks run on the net thread and must not block. */
struct net_request {
	const char *method; /* "GET", "HEAD", "PUT", "POST", "DELETE"; static */
	const char *url;    /* escaped; sent as it is (dot segments too) */
	/* "Name: value" each; borrowed. Nothing but Host, Content-Length and these is sent. */
	const char *headers[NET_HEADERS_MAX];
	size_t headers_n;
	int unix_dirfd;		 /* -1: TCP; else a directory (closed by the net thread) ... */
	const char *unix_socket; /* ... and the socket's name in it; static */

	/* Connect to addresses of the public internet only, and to the settings' proxies; each
	 * connection is checked by its address. Else -ERR_UNSUPPORTED. */
	bool public_only;

	const void *body; /* borrowed; NULL with body_len > 0: read_body gives it */
	size_t body_len;
	/* Up to `size` bytes of the body from `offset`; negative: give the request up. */
	ssize_t (*read_body)(struct net_request *rq, char *data, size_t size, size_t offset);

	/* Bytes of a collected 2xx body, 0: NET_ERROR_BODY_MAX; a longer one is -ERR_LIMIT. */
	size_t reply_max;
	/* Set: gets a 2xx body as it comes, nothing is collected. false: give the request up. */
	bool (*on_data)(struct net_request *rq, const char *data, size_t len);

	int64_t connect_timeout_us; /* 0: 5 s */
	int64_t timeout_us;	    /* of the whole exchange; 0: none */
	int64_t stall_us;	    /* no byte moved for so long; 0: 60 s */
	void (*done)(struct net_request *rq);
	void *userdata;

	int result; /* 0: an HTTP answer came; -ERR_UNAVAILABLE: no connection; -ETIMEDOUT; -EIO: it
		     * broke; -ERR_LIMIT; -ERR_CANCELLED: given up by a callback or net_cancel */
	struct err err;
	bool sent;	  /* the server may have received the request */
	int status;	  /* HTTP status */
	struct buf head;  /* header lines as they came, "Name: value\r\n" each */
	struct buf reply; /* collected body */
	void *transfer;	  /* the net thread's */
	struct net_request *next;
};

/* Zero it, set unix_dirfd to -1. */
void net_request_init(struct net_request *rq);
/* Frees head and reply (not what the caller gave). */
void net_request_done(struct net_request *rq);
/* The value of a reply header, name in any case, into ret; false: absent or longer than size. */
bool net_reply_header(const struct net_request *rq, const char *name, char *ret, size_t size);

int net_new(const struct net_settings *settings, struct net **ret, struct err *reterr) MUSTCHECK;
/* End what is under way with -ERR_UNAVAILABLE, then the thread; net_send refuses from now on. */
void net_stop(struct net *n);
void net_free(struct net *n); /* stops it first; NULL is allowed */

/* Any thread. 0: `done` will run exactly once. -ERR_LIMIT: too many are under way,
 * -ERR_UNAVAILABLE: it is stopping; then the request is untouched (unix_dirfd is still the
 * caller's). */
int net_send(struct net *n, struct net_request *rq, struct err *reterr) MUSTCHECK;
/* Any thread. Give it up soon; done runs as for any other end. */
void net_cancel(struct net *n, struct net_request *rq);
/* Send and wait for it (not on the net thread). Returns rq->result, with *reterr filled. */
int net_wait(struct net *n, struct net_request *rq, struct err *reterr) MUSTCHECK;

/* Run fn on the net thread after delay_us (0: soon, in the order of asking). Any thread; the caller
 * owns the task until fn runs. When the thread stops before, fn runs with stopped = true, once it
 * has stopped on the caller's thread. */
struct net_task {
	void (*fn)(struct net_task *task, bool stopped);
	void *source; /* the net thread's */
	struct net *net;
	int64_t delay_us;
	struct net_task *next;
};
void net_after(struct net *n, struct net_task *task, int64_t delay_us);
/* Run one that waits now. Only on the net thread, and not in the turn that began its wait. */
void net_hurry(struct net_task *task);
