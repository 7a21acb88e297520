/* SPDX-License-Identifier: MIT */
/*
 * A stream has a small buffer of whole events. It is filled from the feed in memory, or from the
 * database for older events, only after the client has taken all of it: a slow client costs no
 * memory. The server's threads run this.
 */
#include "api/event_stream.h"

#include "api/reply.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/manager.h"

#include <inttypes.h>
#include <string.h>

#define STREAM_TYPE    "text/event-stream; charset=utf-8"
#define OUT_FULL       (32 << 10) /* bytes after which no further event is added */
#define OUT_MAX	       (1 << 20)  /* an event has at most some ten KB */
#define PAGE	       100	  /* events of the database at a time */
#define GENERATION_MAX 40

struct event_stream {
	struct stream stream;
	struct api *api;
	struct MHD_Connection *connection;
	char generation[GENERATION_MAX];
	int64_t since; /* the events up to here were sent or do not match */
	struct buf out;
	size_t sent;	 /* bytes of `out` */
	int64_t beat_us; /* when the next comment is due, clock_mono_us */
	struct feed_waiter waiter;
};

bool event_stream_wanted(const struct request *rq)
{
	const char *accept = request_header(rq, "Accept");

	return accept && strstr(accept, "text/event-stream");
}

static void stream_free(struct stream *s)
{
	struct event_stream *es = (struct event_stream *)s;

	api_count(es->api, API_WATCHERS, -1);
	buf_done(&es->out);
	free(es);
}

/* ---- what is sent ---- */

static bool put_event(void *userdata, int64_t seq, const char *text)
{
	struct event_stream *es = userdata;

	if (es->out.len >= OUT_FULL)
		return false;
	buf_printf(&es->out, "id: %s.%" PRId64 "\ndata: ", es->generation, seq);
	buf_puts(&es->out, text); /* on one line: JSON escapes line ends */
	buf_puts(&es->out, "\n\n");
	return true;
}

/* Go on from now; the client reads the state again. */
static void put_reset(struct event_stream *es)
{
	es->since = feed_last_seq(manager_feed(es->api->manager));
	buf_printf(&es->out,
		   "event: reset\nid: %s.%" PRId64 "\ndata: {\"seq\":%" PRId64
		   ",\"generation\":\"%s\"}\n\n",
		   es->generation, es->since, es->since, es->generation);
}

static int fill_from_database(struct event_stream *es)
{
	struct event_filter older = events_stored(&es->waiter.filter, es->since, PAGE);
	OWN(json_decrefp) json_t *page = NULL;
	struct store_reader *sr;
	json_t *event;
	size_t i;
	int r = api_reader_take(es->api, &sr, NULL);

	if (r < 0)
		return r;
	r = store_read_events(sr, &older, &page, NULL);
	api_reader_give(es->api, sr);
	if (r == -ERR_GONE) {
		put_reset(es);
		return 0;
	}
	json_array_foreach(json_object_get(page, "items"), i, event) {
		OWN(freep) char *text = json_text(event);
		int64_t seq = json_get_int(event, "seq", 0);

		if (!text || !put_event(es, seq, text))
			return text ? 0 : -ENOMEM;
		es->since = seq;
	}
	if (r >= 0)
		es->since = json_get_int(page, "next_since", es->since);
	return r;
}

static int fill(struct event_stream *es)
{
	int64_t next = es->since;
	int r = feed_read_text(manager_feed(es->api->manager), &es->waiter.filter, es->since,
			       put_event, es, &next, NULL);

	if (r == -ERR_GONE)
		return fill_from_database(es);
	es->since = next;
	return r;
}

/* ---- the stream ---- */

static void on_news(struct feed_waiter *w)
{
	struct event_stream *es = w->userdata;

	connection_resume(es->api, es->connection);
}

/* After feed_wait() another thread may already run the stream, so set all fields before. */
static ssize_t wait_for_more(struct event_stream *es)
{
	es->waiter.since = es->since;
	es->waiter.deadline_mono_us = es->beat_us;
	connection_suspend(es->api, es->connection);
	if (!feed_wait(manager_feed(es->api->manager), &es->waiter))
		connection_resume(es->api, es->connection);
	return STREAM_WAIT;
}

static ssize_t send_some(struct event_stream *es, char *buf, size_t max)
{
	size_t left = es->out.len - es->sent, n = left < max ? left : max;

	memcpy(buf, buf_str(&es->out) + es->sent, n);
	es->sent += n;
	if (n == left) {
		buf_clear(&es->out);
		es->sent = 0;
	}
	es->beat_us = clock_mono_us() + EVENT_STREAM_BEAT_S * USEC_PER_SEC;
	return (ssize_t)n;
}

static ssize_t stream_read(struct stream *s, char *buf, size_t max)
{
	struct event_stream *es = (struct event_stream *)s;

	for (;;) {
		int64_t since = es->since;

		if (!buf_ok(&es->out))
			return STREAM_ABORT;
		if (es->out.len)
			return send_some(es, buf, max);
		if (api_stopping(es->api))
			return STREAM_END;
		if (connection_gone(es->connection) || fill(es) < 0)
			return STREAM_ABORT;
		if (!es->out.len && clock_mono_us() >= es->beat_us)
			buf_puts(&es->out, ":\n\n");
		if (!es->out.len && es->since == since)
			return wait_for_more(es);
	}
}

/* ---- its start ---- */

/* Read "GENERATION.SEQ" or since= and generation=. Returns false for a position of another
 * database, or one that cannot be. */
static bool read_position(struct request *rq, struct event_stream *es, int64_t since)
{
	const char *id = request_header(rq, "Last-Event-ID");
	const char *generation = request_param(rq, "generation");
	const char *dot = id ? strrchr(id, '.') : NULL;

	if (id && *id) {
		if (!dot || str_to_i64(dot + 1, &es->since) < 0 ||
		    strlen(es->generation) != (size_t)(dot - id) ||
		    strncmp(id, es->generation, (size_t)(dot - id)) != 0)
			return false;
	} else {
		es->since = since;
		if (generation && !str_eq(generation, es->generation))
			return false;
	}
	return es->since >= 0 && es->since <= feed_last_seq(manager_feed(rq->api->manager));
}

void event_stream(struct request *rq, const struct feed_filter *filter)
{
	int64_t since = feed_last_seq(manager_feed(rq->api->manager));
	struct store_reader *sr = request_reader(rq);
	struct event_stream *es;

	if (!sr || !request_param_int(rq, "since", 0, INT64_MAX, &since))
		return;
	if (!api_count_below(rq->api, API_WATCHERS, API_WATCHERS_MAX)) {
		reply_problem(rq, 429, "too_many_watchers",
			      "%d streams of events are open, which is the limit; end one of them "
			      "and try again",
			      API_WATCHERS_MAX);
		return;
	}
	es = calloc(1, sizeof(*es));
	if (!es) {
		api_count(rq->api, API_WATCHERS, -1);
		return;
	}
	es->stream = (struct stream){.read = stream_read, .free = stream_free};
	es->api = rq->api;
	es->connection = rq->connection;
	es->waiter = (struct feed_waiter){.filter = *filter, .fn = on_news, .userdata = es};
	buf_init(&es->out, OUT_MAX);
	str_must_copy(es->generation, sizeof(es->generation), store_reader_generation(sr));
	buf_printf(&es->out, "retry: %d\n\n", EVENT_STREAM_RETRY_MS);
	if (!read_position(rq, es, since))
		put_reset(es);
	reply_stream(rq, 200, STREAM_TYPE, &es->stream);
	reply_header(rq, "Cache-Control", "no-store");
}
