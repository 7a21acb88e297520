/* SPDX-License-Identifier: MIT */
/* See get.h: one exchange at a time, with the check for a stop, pauses and redirects. */
#include "base/clock.h"
#include "base/completion.h"
#include "base/own.h"
#include "base/str.h"
#include "net/url.h"
#include "transfer/http/exchange.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_MS		200 /* between two checks for a stop */
#define CONNECT_US	(10 * USEC_PER_SEC)
#define STALL_US	(30 * USEC_PER_SEC)
#define PAUSE_US	(USEC_PER_SEC / 2)
#define PAUSE_MAX_US	(8 * USEC_PER_SEC)
#define RETRY_AFTER_MAX 60 /* seconds */

/* ---- waiting ---- */

static void on_done(struct net_request *rq)
{
	completion_signal(rq->userdata);
}

int exchange_run(struct transfer *t, struct net_request *rq, struct err *reterr)
{
	struct completion ended = COMPLETION_INIT;
	bool cancelled = false;
	int r;

	rq->done = on_done;
	rq->userdata = &ended;
	rq->connect_timeout_us = CONNECT_US;
	rq->stall_us = STALL_US;
	r = net_send(t->net, rq, reterr);
	if (r < 0)
		return r;
	while (!completion_wait_us(&ended, LOOK_MS * USEC_PER_MSEC)) {
		if (*t->stop && !cancelled) {
			cancelled = true;
			net_cancel(t->net, rq);
		}
	}
	r = transfer_stopped(t, reterr);
	if (r < 0)
		return r;
	if (rq->result == -ERR_LIMIT &&
	    rq->status >= 400) /* the status is enough for the message */
		return 0;
	if (rq->result < 0 && reterr)
		*reterr = rq->err;
	return rq->result;
}

bool exchange_passing(const struct net_request *rq, int result)
{
	if (result < 0)
		return result == -ERR_UNAVAILABLE || result == -ETIMEDOUT || result == -EIO;
	return rq->status == 408 || rq->status == 429 || rq->status >= 500;
}

int exchange_pause(struct transfer *t, const struct net_request *rq, int attempt,
		   struct err *reterr)
{
	int64_t us = backoff_us(PAUSE_US, PAUSE_MAX_US, attempt + 1), seconds, until;
	char text[32];
	int r;

	if (net_reply_header(rq, "Retry-After", text, sizeof(text)) &&
	    str_to_i64(text, &seconds) == 0 && seconds >= 0)
		us = (seconds < RETRY_AFTER_MAX ? seconds : RETRY_AFTER_MAX) * USEC_PER_SEC;
	until = clock_mono_us() + us;
	while ((r = transfer_stopped(t, reterr)) >= 0 && clock_mono_us() < until)
		usleep(LOOK_MS * 1000 / 4);
	return r;
}

bool exchange_redirect(const struct net_request *rq, char *url, size_t size)
{
	char location[NET_URL_MAX], next[NET_URL_MAX];

	switch (rq->status) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		break;
	default:
		return false;
	}
	return net_reply_header(rq, "Location", location, sizeof(location)) &&
	       url_join(url, location, next, sizeof(next)) && str_copy(url, size, next);
}

/* ---- one question ---- */

static int ask_once(struct transfer *t, const struct http_get_request *ask,
		    struct http_get_answer *a, struct err *reterr)
{
	char next[NET_URL_MAX];
	int r;

	if (!str_copy(a->url, sizeof(a->url), ask->url))
		return err_set(reterr, ERR_LIMIT, "the URL '%.64s…' has more than %d bytes",
			       ask->url, NET_URL_MAX - 1);
	for (int i = 0; i <= HTTP_REDIRECTS_MAX; i++) {
		net_request_done(&a->rq);
		net_request_init(&a->rq);
		a->rq.method = ask->method;
		a->rq.url = a->url;
		a->rq.reply_max = ask->reply_max;
		a->rq.headers[a->rq.headers_n++] = "Accept-Encoding: identity";
		if (ask->authorization && url_same_origin(ask->url, a->url))
			a->rq.headers[a->rq.headers_n++] = ask->authorization;
		r = exchange_run(t, &a->rq, reterr);
		if (r < 0)
			return r;
		str_assign(next, a->url);
		if (!exchange_redirect(&a->rq, next, sizeof(next)) ||
		    (ask->stay && !url_same_origin(ask->url, next)))
			return 0;
		str_assign(a->url, next);
	}
	return err_set(reterr, ERR_LIMIT, "%s redirects more than %d times", ask->url,
		       HTTP_REDIRECTS_MAX);
}

int http_get_request(struct transfer *t, const struct http_get_request *ask,
		     struct http_get_answer *ret, struct err *reterr)
{
	int r, paused;

	*ret = (struct http_get_answer){0};
	net_request_init(&ret->rq);
	for (int i = 0;; i++) {
		r = ask_once(t, ask, ret, reterr);
		if (r == -ERR_CANCELLED || i + 1 == HTTP_TRIES || !exchange_passing(&ret->rq, r))
			return r;
		paused = exchange_pause(t, &ret->rq, i, reterr);
		if (paused < 0)
			return paused;
	}
}

void http_get_answer_done(struct http_get_answer *a)
{
	net_request_done(&a->rq);
}
