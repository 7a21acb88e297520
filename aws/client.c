/* SPDX-License-Identifier: MIT */
/* The entry of the client: accepts calls on any thread, waits for them, cancels them. */
#include "aws/client.h"

#include "aws/internal.h"
#include "base/completion.h"
#include "base/own.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* ---- the door ---- */

void aws_call_init(struct aws_call *c, enum aws_service service, const char *operation)
{
	*c = (struct aws_call){.service = service, .operation = operation};
	net_request_init(&c->http);
}

void aws_call_done(struct aws_call *c)
{
	json_decref(TAKE(c->output));
	net_request_done(&c->http);
}

static void make_invocation(char ret[INVOCATION_LEN])
{
	unsigned char b[16] = {0};

	(void)!getrandom(b, sizeof(b), 0);
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(ret, INVOCATION_LEN,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
}

void aws_send(struct aws *a, struct aws_call *c)
{
	struct inflight_call *f = calloc(1, sizeof(*f));

	c->result = c->status = c->attempts = 0;
	c->uncertain = false;
	c->kind = AWS_ERROR_NONE;
	if (!f) {
		answer_fail(c, AWS_ERROR_TRANSIENT, ENOMEM, "the daemon is out of memory");
		c->done(c);
		return;
	}
	f->aws = a;
	f->c = c;
	f->attempts_max = c->attempts_max ? c->attempts_max : aws_config_max_attempts(a->config);
	f->step = inflight_call_start;
	f->task.fn = inflight_call_go;
	make_invocation(f->invocation);
	c->state = f;
	pthread_mutex_lock(&a->lock);
	f->serial = ++a->serial;
	f->next = a->inflight_calls;
	a->inflight_calls = f;
	pthread_mutex_unlock(&a->lock);
	net_after(a->net, &f->task, 0);
}

/* ---- giving up ---- */

struct hurry {
	struct net_task task;
	struct aws *aws;
	uint64_t serial;
};

static void on_hurry(struct net_task *task, bool stopped)
{
	struct hurry *h = (struct hurry *)((char *)task - offsetof(struct hurry, task));
	struct inflight_call *f = NULL;
	bool resting = false;

	if (!stopped) {
		pthread_mutex_lock(&h->aws->lock);
		for (f = h->aws->inflight_calls; f && f->serial != h->serial; f = f->next)
			;
		resting = f && f->resting;
		pthread_mutex_unlock(&h->aws->lock);
	}
	if (resting)
		net_hurry(&f->task);
	free(h);
}

/* The call may end at the same time, so only its address is compared. */
void aws_cancel(struct aws *a, struct aws_call *c)
{
	struct hurry *h = calloc(1, sizeof(*h));
	bool found = false;

	pthread_mutex_lock(&a->lock);
	for (struct inflight_call *f = a->inflight_calls; f; f = f->next) {
		if (f->c != c)
			continue;
		f->cancelled = found = true;
		if (h)
			h->serial = f->serial;
	}
	pthread_mutex_unlock(&a->lock);
	if (!found || !h) {
		free(h);
		return;
	}
	h->task.fn = on_hurry;
	h->aws = a;
	net_cancel(a->net, &c->http);
	net_after(a->net, &h->task, 1); /* not 0: it must run after the tasks queued before */
}

/* ---- waiting ---- */

static void on_waited(struct aws_call *c)
{
	completion_signal(c->userdata);
}

int aws_wait(struct aws *a, struct aws_call *c, struct err *reterr)
{
	struct completion waited = COMPLETION_INIT;

	c->done = on_waited;
	c->userdata = &waited;
	aws_send(a, c);
	completion_wait(&waited);
	if (c->result < 0 && reterr)
		*reterr = c->err;
	return c->result;
}

/* ---- the client ---- */

int aws_new(const struct aws_options *o, struct aws **ret, struct err *reterr)
{
	struct aws *a = calloc(1, sizeof(*a));
	int r = -ENOMEM;

	if (a) {
		a->limiter = rate_limiter_new();
		a->net = o->net;
	}
	if (a && a->limiter)
		r = aws_credential_cache_new(o->config, o->net, o->keys_again_us,
					     &a->credential_cache, reterr);
	else
		err_errno(reterr, ENOMEM, "start the client of AWS");
	if (r < 0) {
		if (a)
			rate_limiter_free(a->limiter);
		free(a);
		return r;
	}
	pthread_mutex_init(&a->lock, NULL);
	a->config = o->config;
	*ret = a;
	return 0;
}

void aws_free(struct aws *a)
{
	if (!a)
		return;
	assert(!a->inflight_calls);
	aws_credential_cache_free(a->credential_cache);
	rate_limiter_free(a->limiter);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

const struct aws_config *aws_config_of(const struct aws *a)
{
	return a->config;
}
