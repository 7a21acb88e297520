/* SPDX-License-Identifier: MIT */
/* A call under way, inside aws/: client.c takes it in, inflight_call.c moves it, request.c writes
 * it, answer.c and error.c say what came back. All but client.c on the net thread. */
#pragma once

#include "aws/client.h"
#include "aws/rate_limiter.h"

#include <pthread.h>

#define INVOCATION_LEN 37 /* a UUID and NUL */
#define BUCKETS_MAX    64 /* whose region is remembered */

struct bucket {
	char name[256];
	char region[AWS_REGION_MAX];
};

struct aws {
	const struct aws_config *config;
	struct net *net;
	struct aws_credential_cache *credential_cache;
	pthread_mutex_t lock; /* of inflight_calls, their `cancelled` and `resting`, serial */
	struct inflight_call *inflight_calls;
	uint64_t serial;

	/* the net thread's own */
	struct rate_limiter *limiter;
	int64_t skew_us; /* the services' clock minus ours */
	struct bucket buckets[BUCKETS_MAX];
	size_t buckets_at;
};

struct inflight_call {
	struct aws *aws;
	struct aws_call *c;
	struct net_task task;
	void (*step)(struct inflight_call *f); /* when the task is due */
	struct inflight_call *next;
	uint64_t serial;
	bool cancelled; /* under the client's lock */
	bool resting;	/* until the task is due; then it can be hurried */

	char invocation[INVOCATION_LEN];
	struct aws_endpoint at;
	struct aws_keys keys; /* of the last attempt */
	struct buf url, body, lines;
	int attempts_max;
	struct rate_lane *lane;
	int cost;		     /* of the retry under way */
	int64_t keys_since_us;	     /* 0: not waiting for keys */
	bool renewing, renewed;	     /* `keys` were refused; others are tried once */
	bool moved, set_right;	     /* the region, the clock: each once */
	bool received;		     /* on_data got something: it cannot be asked again */
	char region[AWS_REGION_MAX]; /* of the answer: where the bucket is, "" */
};

/* ---- inflight_call.c ---- */
/* The task's: the next step, or the end when the program stops or the call was given up. */
void inflight_call_go(struct net_task *task, bool stopped);
void inflight_call_start(struct inflight_call *f); /* the first step */

/* ---- request.c ---- */
/* Fill c->http and what it borrows from f for one attempt; `region` is the bucket's when it is
 * known; now_us is the service's time. -ERR_INVALID: the call is wrong. */
int request_make(struct inflight_call *f, const char *region, int64_t now_us,
		 struct err *reterr) MUSTCHECK;

/* ---- answer.c ---- */
/* What the last attempt brought: c->result, err, kind, code, message, request_id, status, output,
 * f->region; adds to c->uncertain. */
void answer_read(struct inflight_call *f);
/* Fail the call with a kind; the message is put behind the operation's name. Returns the code. */
int answer_fail(struct aws_call *c, enum aws_error_kind kind, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* ---- error.c ---- */
/* code: the service's, or the HTTP status as text where it gave none. */
enum aws_error_kind error_kind(enum aws_service service, const char *operation, const char *code,
			       const char *message, int status);
/* Our error code for a kind. */
int error_code(enum aws_error_kind kind);
/* True if a wrong clock can be the cause of the failure. */
bool error_is_skew(const char *code, int status);
