/* SPDX-License-Identifier: MIT */
/*
 * The rate of calls and retries. Each operation of each region has a token bucket, which slows down
 * after a throttled call. Each service of each region has a quota of retries. Public reference:
 * botocore/retries/{quota,standard,throttling}.py. Net thread only.
 */
#pragma once

#include "aws/credentials.h"
#include "base/clock.h"

#define RATE_LIMITER_QUOTA	  500 /* tokens for retries */
#define RATE_LIMITER_COST	  5   /* tokens of one retry */
#define RATE_LIMITER_COST_TIMEOUT 10  /* tokens of a retry after a time-out */
#define RATE_LIMITER_LANES_MAX	  512 /* operations × regions; any further ones share one lane */
#define RATE_LIMITER_BACKOFF_MAX  (20 * USEC_PER_SEC)
#define RATE_LIMITER_ASKED_MORE	  (5 * USEC_PER_SEC)

struct rate_limiter;
struct rate_lane; /* an operation in a region; lives as long as the limiter */

struct rate_limiter *rate_limiter_new(void); /* NULL: out of memory */
void rate_limiter_free(struct rate_limiter *p);
/* Find or make the lane, which the limiter owns. NULL: out of memory. */
struct rate_lane *rate_lane(struct rate_limiter *p, enum aws_service service, const char *region,
			    const char *operation);

/* Take the next token. Returns the microseconds until the call may be sent. */
int64_t rate_limiter_take(struct rate_lane *lane, int64_t mono_us);
/* Halve the rate after the service throttled, at most once a second, to no less than a
 * twentieth. */
void rate_limiter_slower(struct rate_lane *lane, int64_t mono_us);
/* Pay for a retry; *ret_cost gets its tokens. False if the quota is exhausted. */
bool rate_limiter_retry(struct rate_lane *lane, bool timeout, int *ret_cost);
/* Report an answer that needs no retry. The rate recovers, and the quota gets back `cost` (of the
 * retry; 0: first attempt, gets back one). */
void rate_limiter_success(struct rate_lane *lane, int cost);
/* The pause in microseconds after attempt number n: `unit` × min(2^(n-1), 20) seconds; unit is in
 * [0, 1). */
int64_t rate_limiter_backoff(int n, double unit);
/* The pause if the answer's x-amz-retry-after asks for more milliseconds: at most
 * RATE_LIMITER_ASKED_MORE longer. An invalid header changes nothing. */
int64_t rate_limiter_asked(int64_t own_us, const char *header);
