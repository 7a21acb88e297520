/* SPDX-License-Identifier: MIT */
/*
 * The table of rates, the token bucket of each operation and region, and the retry quota of each
 * service and region.
 */
#include "aws/rate_limiter.h"

#include "base/own.h"
#include "base/str.h"

#include <string.h>

#define SLOWER_EVERY_US USEC_PER_SEC
#define RATE_FLOOR	0.05 /* of the full rate */
#define RATE_RECOVERY	0.05 /* of the full rate, after each success */
#define OPERATION_MAX	128

/* Calls per second, and burst. AWS documents few limits. ListTrainingJobs has 2 a second per
 * account (docs.aws.amazon.com, "Amazon SageMaker AI endpoints and quotas"); GetLogEvents and
 * DescribeLogStreams have 25. The other values are below rates that accounts report as throttled; a
 * service that throttles slows them down. The first match of service and operation prefix
 * applies. */
static const struct rule {
	enum aws_service service;
	const char *prefix;
	double rate, burst;
} rules[] = {
	{AWS_SAGEMAKER, "ListTrainingJobs", 2, 2},
	{AWS_SAGEMAKER, "ListTags", 5, 10},
	{AWS_SAGEMAKER, "List", 2, 4},
	{AWS_SAGEMAKER, "Describe", 10, 10},
	{AWS_SAGEMAKER, "", 2, 5}, /* Create, Update, Stop, Delete, AddTags */
	{AWS_RUNTIME, "", 1000, 1000},
	{AWS_S3, "CreateBucket", 2, 2},
	{AWS_S3, "", 1000, 1000}, /* S3 allows 3500 writes a second per prefix */
	{AWS_IAM, "", 5, 20},
	{AWS_STS, "", 20, 20},
	{AWS_LOGS, "GetLogEvents", 20, 20},
	{AWS_LOGS, "DescribeLogStreams", 20, 20},
	{AWS_LOGS, "", 5, 5},
	{AWS_CLOUDWATCH, "", 5, 10},
	{AWS_SSO, "", 5, 5},
	{AWS_SSO_OIDC, "", 5, 5},
};

struct quota {
	enum aws_service service;
	char region[AWS_REGION_MAX];
	int tokens;
	struct quota *next;
};

struct rate_lane {
	const struct rule *rule;
	struct quota *quota;
	char region[AWS_REGION_MAX];
	char operation[OPERATION_MAX];
	double tokens, rate;
	int64_t at_us, slowed_us; /* 0: never */
	struct rate_lane *next;
};

struct rate_limiter {
	struct rate_lane *lanes;
	size_t lanes_n;
	struct quota *quotas;
};

struct rate_limiter *rate_limiter_new(void)
{
	return calloc(1, sizeof(struct rate_limiter));
}

void rate_limiter_free(struct rate_limiter *p)
{
	if (!p)
		return;
	while (p->lanes) {
		struct rate_lane *lane = p->lanes;

		p->lanes = lane->next;
		free(lane);
	}
	while (p->quotas) {
		struct quota *q = p->quotas;

		p->quotas = q->next;
		free(q);
	}
	free(p);
}

static const struct rule *rule_of(enum aws_service service, const char *operation)
{
	const struct rule *rule = rules;

	while (rule->service != service || !str_starts(operation, rule->prefix))
		rule++;
	return rule;
}

static struct quota *quota_of(struct rate_limiter *p, enum aws_service service, const char *region)
{
	struct quota *q = p->quotas;

	while (q && (q->service != service || !str_eq(q->region, region)))
		q = q->next;
	if (q || !(q = calloc(1, sizeof(*q))))
		return q;
	q->service = service;
	str_must_copy(q->region, sizeof(q->region), region);
	q->tokens = RATE_LIMITER_QUOTA;
	q->next = p->quotas;
	p->quotas = q;
	return q;
}

static struct rate_lane *find(struct rate_limiter *p, enum aws_service service, const char *region,
			      const char *operation)
{
	struct rate_lane *lane = p->lanes;

	while (lane && (lane->rule->service != service || !str_eq(lane->region, region) ||
			!str_eq(lane->operation, operation)))
		lane = lane->next;
	return lane;
}

struct rate_lane *rate_lane(struct rate_limiter *p, enum aws_service service, const char *region,
			    const char *operation)
{
	struct rate_lane *lane = find(p, service, region, operation);
	struct quota *quota;

	/* a region that is too long is refused when the request is made */
	if (!lane && (p->lanes_n >= RATE_LIMITER_LANES_MAX || strlen(region) >= AWS_REGION_MAX)) {
		region = operation = "";
		lane = find(p, service, region, operation);
	}
	if (lane)
		return lane;
	quota = quota_of(p, service, region);
	lane = quota ? calloc(1, sizeof(*lane)) : NULL;
	if (!lane)
		return NULL;
	lane->rule = rule_of(service, operation);
	lane->quota = quota;
	str_must_copy(lane->region, sizeof(lane->region), region);
	str_must_copy(lane->operation, sizeof(lane->operation), operation);
	lane->rate = lane->rule->rate;
	lane->tokens = lane->rule->burst;
	lane->next = p->lanes;
	p->lanes = lane;
	p->lanes_n++;
	return lane;
}

static void refill(struct rate_lane *lane, int64_t mono_us)
{
	if (lane->at_us)
		lane->tokens += lane->rate * (double)(mono_us - lane->at_us) / 1e6;
	if (lane->tokens > lane->rule->burst)
		lane->tokens = lane->rule->burst;
	lane->at_us = mono_us;
}

/* Tokens below zero are calls that already have their time. */
int64_t rate_limiter_take(struct rate_lane *lane, int64_t mono_us)
{
	refill(lane, mono_us);
	lane->tokens -= 1;
	return lane->tokens >= 0 ? 0 : (int64_t)(-lane->tokens / lane->rate * 1e6);
}

void rate_limiter_slower(struct rate_lane *lane, int64_t mono_us)
{
	double least = lane->rule->rate * RATE_FLOOR;

	refill(lane, mono_us);
	if (lane->slowed_us && mono_us - lane->slowed_us < SLOWER_EVERY_US)
		return; /* one overload throttles many calls at once */
	lane->slowed_us = mono_us;
	lane->rate = lane->rate / 2 > least ? lane->rate / 2 : least;
	if (lane->tokens > 0)
		lane->tokens = 0;
}

bool rate_limiter_retry(struct rate_lane *lane, bool timeout, int *ret_cost)
{
	int cost = timeout ? RATE_LIMITER_COST_TIMEOUT : RATE_LIMITER_COST;

	if (lane->quota->tokens < cost)
		return false;
	lane->quota->tokens -= cost;
	*ret_cost = cost;
	return true;
}

void rate_limiter_success(struct rate_lane *lane, int cost)
{
	double full = lane->rule->rate, rate = lane->rate + full * RATE_RECOVERY;
	int tokens = lane->quota->tokens + (cost ? cost : 1);

	lane->rate = rate < full ? rate : full;
	lane->quota->tokens = tokens < RATE_LIMITER_QUOTA ? tokens : RATE_LIMITER_QUOTA;
}

int64_t rate_limiter_asked(int64_t own_us, const char *header)
{
	int64_t ms, most = own_us + RATE_LIMITER_ASKED_MORE;

	if (str_to_i64(header, &ms) < 0 || ms < 0)
		return own_us;
	if (ms > most / 1000)
		return most;
	return ms * 1000 > own_us ? ms * 1000 : own_us;
}

int64_t rate_limiter_backoff(int n, double unit)
{
	return (int64_t)(unit * (double)backoff_us(USEC_PER_SEC, RATE_LIMITER_BACKOFF_MAX, n));
}
