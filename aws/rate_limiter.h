/* SPDX-License-Identifier: MIT */
/*
 * How fast and how often we ask: a token bucket for each operation of each region that slows down
 * when the service throttles, and a quota of retries for each service of each region (public
 * reference: botocore/retries/{quota,standard,throttling}.py). On the net thread only.
 */
#pragma once

#include "aws/credentials.h"

#define RATE_LIMITER_QUOTA	  500 /* tokens of retries */
#define RATE_LIMITER_COST	  5   /* of one retry ... */
#define RATE_LIMITER_COST_TIMEOUT 10  /* ... after a time-out */
#define RATE_LIMITER_LANES_MAX	  512 /* operations × regions; those beyond share one */
#define RATE_LIMITER_BACKOFF_MAX  (INT64_C(20) * 1000000)
#define RATE_LIMITER_ASKED_MORE	  (INT64_C(5) * 1000000)

struct rate_limiter;
struct rate_lane; /* an operation in a region; lives as long as the limiter */

struct rate_limiter *rate_limiter_new(void); /* NULL: memory is out */
void rate_limiter_free(struct rate_limiter *p);
/* NULL: memory is out. */
struct rate_lane *rate_lane(struct rate_limiter *p, enum aws_service service, const char *region,
			    const char *operation);

/* Take the next place. Returns in how many microseconds the call may be sent. */
int64_t rate_limiter_take(struct rate_lane *lane, int64_t mono_us);
/* The service said "slower": half the rate, at most once a second, at least a twentieth. */
void rate_limiter_slower(struct rate_lane *lane, int64_t mono_us);
/* Pay for a retry; *ret_cost is what it cost. false: the quota is exhausted. */
bool rate_limiter_retry(struct rate_lane *lane, bool timeout, int *ret_cost);
/* An answer that needs no retry, `cost` of the retry that brought it (0: none): the rate recovers,
 * the quota gets the cost back, or one. */
void rate_limiter_success(struct rate_lane *lane, int cost);
/* The wait after attempt number n: `unit` of min(2^(n-1), 20) seconds, unit in [0, 1). */
int64_t rate_limiter_backoff(int n, double unit);
/* That wait, when the answer's x-amz-retry-after asks for more milliseconds: at most
 * RATE_LIMITER_ASKED_MORE longer. What is no such number changes nothing. */
int64_t rate_limiter_asked(int64_t own_us, const char *header);
