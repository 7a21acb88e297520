/* SPDX-License-Identifier: MIT */
/* The steps of a call: a token of the rate limiter, keys, an attempt, a correction or a retry, the
 * end. */
#include "aws/internal.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#define KEYS_LOOK_US (50 * USEC_PER_MSEC) /* between two looks for keys */
#define KEYS_WAIT_US (60 * USEC_PER_SEC)  /* then the call fails without keys */
#define FULL_US	     (50 * USEC_PER_MSEC) /* pause if the net thread has no room */
#define SKEW_US	     (240 * USEC_PER_SEC) /* a smaller error of the clock is accepted by AWS */

static void step_keys(struct inflight_call *f);
static void inflight_on_answer(struct net_request *rq);

/* ---- the end of a call ---- */

static void inflight_call_free(struct inflight_call *f)
{
	buf_done(&f->url);
	buf_done(&f->body);
	buf_done(&f->lines);
	explicit_bzero(&f->keys, sizeof(f->keys));
	free(f);
}

static void inflight_on_ended(struct inflight_call *f)
{
	struct aws_call *c = f->c;
	struct aws *a = f->aws;

	pthread_mutex_lock(&a->lock);
	for (struct inflight_call **at = &a->inflight_calls; *at; at = &(*at)->next) {
		if (*at == f) {
			*at = f->next;
			break;
		}
	}
	pthread_mutex_unlock(&a->lock);
	c->state = NULL;
	c->http.headers_n = 0;
	c->http.url = NULL;
	inflight_call_free(f);
	c->done(c);
}

static void fail(struct inflight_call *f, enum aws_error_kind kind, int code, const char *words)
{
	answer_fail(f->c, kind, code, "%s", words);
	inflight_on_ended(f);
}

/* ---- steps ---- */

void inflight_call_go(struct net_task *task, bool stopped)
{
	struct inflight_call *f =
		(struct inflight_call *)((char *)task - offsetof(struct inflight_call, task));
	bool cancelled;

	pthread_mutex_lock(&f->aws->lock);
	cancelled = f->cancelled;
	f->resting = false;
	pthread_mutex_unlock(&f->aws->lock);
	if (stopped)
		fail(f, AWS_ERROR_TRANSIENT, ERR_UNAVAILABLE, "the program is stopping");
	else if (cancelled)
		fail(f, AWS_ERROR_TRANSIENT, ERR_CANCELLED, "the call was cancelled");
	else
		f->step(f);
}

/* Run `step` after a delay; soon if the call was cancelled. */
static void rest(struct inflight_call *f, int64_t delay_us, void (*step)(struct inflight_call *f))
{
	pthread_mutex_lock(&f->aws->lock);
	f->resting = !f->cancelled;
	if (f->cancelled)
		delay_us = 0;
	pthread_mutex_unlock(&f->aws->lock);
	f->step = step;
	f->task.fn = inflight_call_go;
	net_after(f->aws->net, &f->task, delay_us);
}

static bool is_cancelled(struct inflight_call *f)
{
	bool cancelled;

	pthread_mutex_lock(&f->aws->lock);
	cancelled = f->cancelled;
	pthread_mutex_unlock(&f->aws->lock);
	return cancelled;
}

static const char *bucket_region(const struct aws *a, const char *bucket)
{
	for (size_t i = 0; bucket && i < BUCKETS_MAX; i++)
		if (str_eq(a->buckets[i].name, bucket))
			return a->buckets[i].region;
	return NULL;
}

static void remember_region(struct aws *a, const char *bucket, const char *region)
{
	struct bucket *b = NULL;

	for (size_t i = 0; i < BUCKETS_MAX; i++)
		if (str_eq(a->buckets[i].name, bucket))
			b = &a->buckets[i];
	if (!b)
		b = &a->buckets[a->buckets_at++ % BUCKETS_MAX];
	str_must_copy(b->name, sizeof(b->name), bucket);
	str_must_copy(b->region, sizeof(b->region), region);
}

static const char *region_of(const struct inflight_call *f)
{
	const struct aws_call *c = f->c;

	return c->region && c->region[0] ? c->region : aws_config_region(f->aws->config);
}

void inflight_call_start(struct inflight_call *f)
{
	struct aws_call *c = f->c;
	int64_t delay;

	if (!f->lane)
		f->lane = rate_lane(f->aws->limiter, c->service, region_of(f), c->operation);
	if (!f->lane) {
		fail(f, AWS_ERROR_TRANSIENT, ENOMEM, "the daemon is out of memory");
		return;
	}
	delay = rate_limiter_take(f->lane, clock_mono_us());
	if (delay > 0)
		rest(f, delay, step_keys);
	else
		step_keys(f);
}

static bool count_data(struct net_request *rq, const char *data, size_t len)
{
	struct aws_call *c = rq->userdata;
	struct inflight_call *f = c->state;

	f->received = true;
	return c->on_data(rq, data, len);
}

static void step_send(struct inflight_call *f)
{
	struct aws_call *c = f->c;
	struct aws *a = f->aws;
	const char *region = bucket_region(a, c->bucket);
	struct err e = {0};
	int r;

	c->attempts++;
	r = request_make(f, region ? region : region_of(f), clock_now_us() + a->skew_us, &e);
	if (r < 0) {
		fail(f, AWS_ERROR_INVALID, -r, e.msg);
		return;
	}
	c->http.on_data = c->on_data ? count_data : NULL;
	c->http.done = inflight_on_answer;
	c->http.userdata = c;
	r = net_send(a->net, &c->http, &e);
	if (r == -ERR_LIMIT) {
		c->attempts--;
		rest(f, FULL_US, step_send);
	} else if (r < 0) {
		fail(f, AWS_ERROR_TRANSIENT, -r, e.msg);
	} else if (is_cancelled(f)) {
		net_cancel(a->net, &c->http); /* the cancel may have come just before */
	}
}

static bool same_keys(const struct aws_keys *a, const struct aws_keys *b)
{
	return str_eq(a->id, b->id) && str_eq(a->secret, b->secret) && str_eq(a->token, b->token);
}

static void step_keys(struct inflight_call *f)
{
	int64_t now = clock_mono_us();
	struct aws_keys keys;
	struct err e = {0};
	int r = aws_credential_cache_get(f->aws->credential_cache, &keys, &e);

	if (!f->keys_since_us)
		f->keys_since_us = now;
	if (r == -EAGAIN && now - f->keys_since_us < KEYS_WAIT_US) {
		rest(f, KEYS_LOOK_US, step_keys);
		return;
	}
	f->keys_since_us = 0;
	if (r == 0 && f->renewing && same_keys(&keys, &f->keys)) {
		inflight_on_ended(
			f); /* the chain has no other keys: end with the service's refusal */
	} else if (r < 0) {
		fail(f, AWS_ERROR_CREDENTIALS, EACCES, e.msg);
	} else {
		f->renewing = false;
		f->keys = keys;
		step_send(f);
	}
	explicit_bzero(&keys, sizeof(keys));
}

/* ---- what an answer asks for ---- */

/* The bucket is in another region (botocore/utils.py, S3RegionRedirectorv2). */
static bool move_region(struct inflight_call *f)
{
	const struct aws_call *c = f->c;
	struct aws_endpoint there;

	if (c->service != AWS_S3 || !c->bucket || f->moved || !f->region[0] ||
	    str_eq(f->region, f->at.sign_region))
		return false;
	if (c->status != 301 && c->status != 302 && c->status != 307 &&
	    (c->status != 400 || str_eq(c->operation, "CreateBucket")))
		return false;
	if (aws_endpoint_of(f->aws->config, AWS_S3, f->region, c->bucket, &there, NULL) < 0)
		return false; /* not a region */
	remember_region(f->aws, c->bucket, f->region);
	return f->moved = true;
}

/* Adopt the service's clock if ours differs by more than SKEW_US. */
static bool set_clock(struct inflight_call *f)
{
	struct aws *a = f->aws;
	struct tm tm = {0};
	int64_t theirs, ours;
	char date[64];

	if (f->set_right || !error_is_skew(f->c->code, f->c->status) ||
	    !net_reply_header(&f->c->http, "Date", date, sizeof(date)) ||
	    !strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		return false;
	theirs = timegm(&tm) * USEC_PER_SEC;
	ours = clock_now_us();
	if (llabs(theirs - (ours + a->skew_us)) < SKEW_US)
		return false;
	a->skew_us = theirs - ours;
	return f->set_right = true;
}

/* Report refused keys. If the chain then gives other keys, they are tried once. */
static bool renew_keys(struct inflight_call *f)
{
	if (f->c->kind != AWS_ERROR_CREDENTIALS || f->renewed || f->received)
		return false;
	aws_credential_cache_refused(f->aws->credential_cache, &f->keys);
	return f->renewing = f->renewed = true;
}

static bool may_retry(struct inflight_call *f)
{
	const struct aws_call *c = f->c;

	if (c->kind != AWS_ERROR_THROTTLED && c->kind != AWS_ERROR_TRANSIENT)
		return false;
	return c->result != -ERR_CANCELLED && c->attempts < f->attempts_max && !f->received &&
	       rate_limiter_retry(f->lane, c->result == -ETIMEDOUT, &f->cost);
}

static double random_unit(void)
{
	uint32_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		return 0.5;
	return n / 4294967296.0;
}

static int64_t wait_before_retry(const struct aws_call *c)
{
	int64_t own_us = rate_limiter_backoff(c->attempts, random_unit());
	char asked[32];

	return net_reply_header(&c->http, "x-amz-retry-after", asked, sizeof(asked))
		       ? rate_limiter_asked(own_us, asked)
		       : own_us;
}

static void inflight_on_answer(struct net_request *rq)
{
	struct aws_call *c = rq->userdata;
	struct inflight_call *f = c->state;

	answer_read(f);
	attempt_count(f->aws, c);
	if (c->result == 0)
		c->uncertain = false;
	if (c->kind == AWS_ERROR_THROTTLED)
		rate_limiter_slower(f->lane, clock_mono_us());
	if (c->result == 0) {
		rate_limiter_success(f->lane, f->cost);
		inflight_on_ended(f);
	} else if (move_region(f) || set_clock(f) || renew_keys(f)) {
		f->attempts_max++; /* a corrected request is not a retry */
		rest(f, 0, step_keys);
	} else if (may_retry(f)) {
		rest(f, wait_before_retry(c), inflight_call_start);
	} else {
		inflight_on_ended(f);
	}
}
