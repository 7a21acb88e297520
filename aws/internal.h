/* SPDX-License-Identifier: MIT */
/* A call under way, inside aws/. client.c accepts it, inflight_call.c moves it, request.c writes
 * the request, answer.c and error.c read the answer. Everything but client.c runs on the net
 * thread. */
#pragma once

#include "aws/client.h"
#include "aws/rate_limiter.h"

#include <pthread.h>
#include <stdatomic.h>

#define INVOCATION_LEN 37 /* bytes of a UUID and NUL */
#define BUCKETS_MAX    64 /* buckets whose region is remembered */

struct bucket {
	char name[256];
	char region[AWS_REGION_MAX];
};

enum aws_outcome {
	AWS_OUTCOME_OK,
	AWS_OUTCOME_THROTTLED,
	AWS_OUTCOME_TRANSIENT,
	AWS_OUTCOME_REFUSED,
	AWS_OUTCOMES_,
};

struct aws {
	const struct aws_config *config;
	struct net *net;
	struct aws_credential_cache *credential_cache;
	pthread_mutex_t
		lock; /* protects inflight_calls, their `cancelled` and `resting`, and serial */
	struct inflight_call *inflight_calls;
	uint64_t serial;
	_Atomic uint64_t attempts[AWS_SERVICES_][AWS_OUTCOMES_];

	/* Used only on the net thread: */
	struct rate_limiter *limiter;
	int64_t skew_us; /* the services' clock minus ours */
	struct bucket buckets[BUCKETS_MAX];
	size_t buckets_at;
};

struct inflight_call {
	struct aws *aws;
	struct aws_call *c;
	struct net_task task;
	void (*step)(struct inflight_call *f); /* the function that runs at the task's time */
	struct inflight_call *next;
	uint64_t serial;
	bool cancelled; /* under the client's lock */
	bool resting; /* True if it waits for the task's time; net_hurry() may then shorten the wait
		       */

	char invocation[INVOCATION_LEN];
	struct aws_endpoint at;
	struct aws_keys keys; /* of the last attempt */
	struct buf url, body, lines;
	int attempts_max;
	struct rate_lane *lane;
	int cost;		/* of the current retry */
	int64_t keys_since_us;	/* start of the wait for keys; 0: not waiting */
	bool renewing, renewed; /* True if `keys` were refused; other keys are tried once */
	bool moved, set_right;	/* True if the region, the clock was corrected; each once */
	bool received;		/* True if on_data got a byte: no further attempt is possible */
	char region[AWS_REGION_MAX]; /* the bucket's region from the answer; "": none */
};

/* ---- inflight_call.c ---- */
/* The task's function: runs the next step. If the program stops or the call was cancelled, ends the
 * call. */
void inflight_call_go(struct net_task *task, bool stopped);
void inflight_call_start(struct inflight_call *f); /* runs the first step */

/* ---- request.c ---- */
/* Fill c->http for one attempt; it borrows from f. `region`: the bucket's if known; now_us: the
 * service's time. -ERR_INVALID: the call is wrong. */
int request_make(struct inflight_call *f, const char *region, int64_t now_us,
		 struct err *reterr) MUSTCHECK;

/* ---- answer.c ---- */
/* Read the last attempt's answer into c->result, err, kind, code, message, request_id, status,
 * output and f->region. May set c->uncertain. */
void answer_read(struct inflight_call *f);
/* Fail the call with a kind. The message follows the operation's name. Returns the code. */
int answer_fail(struct aws_call *c, enum aws_error_kind kind, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* ---- figures.c ---- */
/* Count the attempt whose answer was read. */
void attempt_count(struct aws *a, const struct aws_call *c);

/* ---- error.c ---- */
/* code: the service's, or the HTTP status as text where it gave none. */
enum aws_error_kind error_kind(enum aws_service service, const char *operation, const char *code,
			       const char *message, int status);
/* Our error code for a kind. */
int error_code(enum aws_error_kind kind);
/* True if a wrong clock may be the cause of the failure. */
bool error_is_skew(const char *code, int status);
