/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/events: events after `since`, from the feed in memory, or from the database for older
 * events. With wait= the connection is suspended until an event matches. The server's threads run
 * this.
 */
#include "api/event_stream.h"
#include "api/handlers.h"

#include "api/reply.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/feed.h"
#include "daemon/manager.h"

#define EVENTS_LIMIT_DEFAULT 100
#define EVENTS_LIMIT_MAX     STORE_LIST_MAX
/* after this time, check if the client is still connected */
#define WAIT_SLICE_US	     (10 * USEC_PER_SEC)

struct poll {
	struct request *rq;
	struct feed_waiter waiter;
	int64_t limit;
	int64_t until_mono_us;
};

static void reply_events(struct request *rq, json_t *items, int64_t next)
{
	reply_json(rq, 200,
		   json_pack("{s:o, s:I, s:s}", "items", items, "next_since", (json_int_t)next,
			     "generation", store_reader_generation(rq->reader)));
}

static void on_news(struct feed_waiter *w)
{
	struct poll *p = w->userdata;

	request_resume(p->rq);
}

/* Read one page of matching events after p->waiter.since. Returns 0 or a negative error. */
static int read_once(struct request *rq, struct poll *p, json_t **ret, int64_t *ret_next,
		     struct err *reterr)
{
	const struct feed_filter *f = &p->waiter.filter;
	struct event_filter older = events_stored(f, p->waiter.since, (int)p->limit);
	OWN(json_decrefp) json_t *page = NULL;
	int r;

	r = feed_read(manager_feed(rq->api->manager), f, p->waiter.since, (size_t)p->limit, ret,
		      ret_next, reterr);
	if (r != -ERR_GONE)
		return r;
	r = store_read_events(rq->reader, &older, &page, reterr);
	if (r < 0)
		return r;
	*ret_next = json_get_int(page, "next_since", older.since);
	*ret = json_incref(json_object_get(page, "items"));
	return 0;
}

/* As read_once(), but repeats until the page has an event or all events were examined. */
static int read_page(struct request *rq, struct poll *p, json_t **ret, int64_t *ret_next,
		     struct err *reterr)
{
	for (;;) {
		int64_t last = feed_last_seq(manager_feed(rq->api->manager));
		int r = read_once(rq, p, ret, ret_next, reterr);

		if (r < 0 || json_array_size(*ret) || *ret_next >= last ||
		    *ret_next <= p->waiter.since)
			return r;
		json_decref(*ret);
		p->waiter.since = *ret_next;
	}
}

static void poll_step(struct request *rq)
{
	struct poll *p = rq->state;
	struct feed *feed = manager_feed(rq->api->manager);
	int64_t next, now;
	json_t *items;
	struct err e;
	int r;

	if (!request_reader(rq))
		return;
	r = read_page(rq, p, &items, &next, &e);
	if (r < 0) {
		reply_error(rq, r, &e);
		return;
	}
	now = clock_mono_us();
	if (json_array_size(items) || now >= p->until_mono_us || api_stopping(rq->api) ||
	    connection_gone(rq->connection)) {
		reply_events(rq, items, next);
		return;
	}
	json_decref(items);
	p->waiter.since = next;
	p->waiter.deadline_mono_us =
		now + WAIT_SLICE_US < p->until_mono_us ? now + WAIT_SLICE_US : p->until_mono_us;
	request_wait(rq, poll_step);
	if (!feed_wait(feed, &p->waiter))
		request_resume(rq);
}

/* Read the start: since=, which must not be beyond the newest event of this database; default: now.
 * Returns false if an error was replied. */
static bool read_since(struct request *rq, int64_t *since)
{
	const char *generation = request_param(rq, "generation");
	struct store_reader *sr = request_reader(rq);
	int64_t last = feed_last_seq(manager_feed(rq->api->manager)), changes;
	struct err e;
	int r = 0;

	*since = last;
	if (!sr || !request_param_int(rq, "since", 0, INT64_MAX, since))
		return false;
	/* The caller may have read the database a moment before the feed got the event. */
	if (*since > last)
		r = store_read_versions(sr, &last, &changes, &e);
	if (r < 0) {
		reply_error(rq, r, &e);
		return false;
	}
	if (*since <= last && (!generation || str_eq(generation, store_reader_generation(sr))))
		return true;
	reply_problem(rq, 410, "gone",
		      "since=%lld belongs to another database, as after the restore of a backup; "
		      "read the state again and continue from its seq, %lld",
		      (long long)*since, (long long)last);
	return false;
}

static bool read_filter(struct request *rq, struct feed_filter *f)
{
	static const struct {
		const char *name;
		size_t offset, size;
	} parts[] = {
		{"run", offsetof(struct feed_filter, run), sizeof(f->run)},
		{"job", offsetof(struct feed_filter, job), sizeof(f->job)},
		{"kind", offsetof(struct feed_filter, kind), sizeof(f->kind)},
	};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const char *value = request_param(rq, parts[i].name);

		if (!value || str_copy((char *)f + parts[i].offset, parts[i].size, value))
			continue;
		reply_problem(rq, 400, "invalid_parameter",
			      "the value of the query parameter '%s' is too long; give one id or "
			      "one kind",
			      parts[i].name);
		return false;
	}
	return true;
}

void events_list(struct request *rq)
{
	int64_t wait_s = 0, limit = EVENTS_LIMIT_DEFAULT, since;
	struct feed_filter filter = {0};
	struct poll *p;

	if (event_stream_wanted(rq)) {
		if (read_filter(rq, &filter))
			event_stream(rq, &filter);
		return;
	}
	if (!read_since(rq, &since) || !read_filter(rq, &filter) ||
	    !request_param_int(rq, "limit", 1, EVENTS_LIMIT_MAX, &limit) ||
	    !request_param_int(rq, "wait", 0, API_WAIT_MAX_S, &wait_s))
		return;
	p = calloc(1, sizeof(*p));
	if (!p)
		return;
	p->rq = rq;
	p->waiter = (struct feed_waiter){
		.filter = filter, .since = since, .fn = on_news, .userdata = p};
	p->limit = limit;
	p->until_mono_us = clock_mono_us() + wait_s * USEC_PER_SEC;
	rq->state = p;
	rq->state_free = free;
	poll_step(rq);
}
