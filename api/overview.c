/* SPDX-License-Identifier: MIT */
/* GET /v1/overview (the first screen of a dashboard), the devices and the queue. The server's
 * threads run this. */
#include "api/handlers.h"

#include "api/costs.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/json_put.h"
#include "base/own.h"
#include "daemon/manager.h"

#define OVERVIEW_ITEMS 50
#define QUEUE_DEFAULT  100
#define QUEUE_MAX      STORE_LIST_MAX

#define BIT(state) (UINT32_C(1) << (state))

static uint32_t live_endpoints(void)
{
	uint32_t bits = 0;

	for (int i = 0; i < ENDPOINT_STATES_; i++)
		if (endpoint_state_is_live((enum endpoint_state)i))
			bits |= BIT(i);
	return bits;
}

/* Add the members that stand before the lists. */
static int read_head(struct request *rq, struct store_reader *sr, json_t *to, struct err *reterr)
{
	char at[CLOCK_TEXT_LEN];
	int64_t seq, changes;
	json_t *counts;
	int r;

	json_object_set_new(to, "version", json_string(rq->api->version));
	json_object_set_new(to, "at", json_string(clock_format(at, clock_now_us())));
	/* Read seq first: the reply may contain events after seq, but misses none before it. */
	r = store_read_versions(sr, &seq, &changes, reterr);
	if (r < 0)
		return r;
	json_object_set_new(to, "seq", json_integer(seq));
	json_object_set_new(to, "generation", json_string(store_reader_generation(sr)));
	r = store_read_counts(sr, &counts, reterr);
	return r < 0 ? r : json_object_set_new(to, "counts", counts);
}

static int read_lists(struct store_reader *sr, struct buf *out, struct err *reterr)
{
	struct list_filter active = {
		.states = BIT(STATE_STARTING) | BIT(STATE_RUNNING) | BIT(STATE_STOPPING),
		.limit = OVERVIEW_ITEMS,
		.only_items = true,
	};
	struct list_filter live = {
		.states = live_endpoints(), .limit = OVERVIEW_ITEMS, .only_items = true};
	int r;

	answer_key(out, "active");
	r = store_read_jobs(sr, &active, out, reterr);
	answer_key(out, "queue");
	if (r >= 0)
		r = store_read_queue(sr, OVERVIEW_ITEMS, out, reterr);
	answer_key(out, "endpoints");
	return r < 0 ? r : store_read_endpoints(sr, &live, out, reterr);
}

/* Append the members of an object: the first ones with the opening brace, the last ones with the
 * closing one. */
static void members_put(struct buf *out, const json_t *members, bool first)
{
	size_t from = out->len;

	json_put(out, members, JSON_KEYS_IN_ORDER);
	if (!buf_ok(out))
		return;
	if (first)
		out->len--;
	else
		out->data[from] = ',';
}

static int read_overview(struct request *rq, struct store_reader *sr, struct buf *out,
			 struct err *reterr)
{
	OWN(json_decrefp) json_t *head = json_object(), *rest = json_object();
	int r = read_head(rq, sr, head, reterr);

	members_put(out, head, true);
	if (r >= 0)
		r = read_lists(sr, out, reterr);
	if (r >= 0)
		r = costs_add_sums(rq, sr, rest, "money", reterr);
	json_object_set_new(rest, "devices", manager_devices(rq->api->manager));
	json_object_set_new(rest, "daemon", manager_status(rq->api->manager));
	members_put(out, rest, false);
	return r;
}

static void reply_read(struct request *rq, int r, struct buf *body, const struct err *e)
{
	if (r >= 0) {
		reply_json_text(rq, 200, body);
		return;
	}
	buf_done(body);
	reply_error(rq, r, e);
}

void overview(struct request *rq)
{
	struct store_reader *sr = request_reader(rq);
	struct buf body = BUF_INIT(SIZE_MAX / 2);
	struct err e;
	int r;

	if (!sr)
		return;
	r = read_overview(rq, sr, &body, &e);
	reply_read(rq, r, &body, &e);
}

void devices(struct request *rq)
{
	reply_json(rq, 200, manager_devices(rq->api->manager));
}

void queue(struct request *rq)
{
	int64_t limit = QUEUE_DEFAULT;
	struct buf body = BUF_INIT(SIZE_MAX / 2);
	struct store_reader *sr;
	struct err e;
	int r;

	if (!request_param_int(rq, "limit", 1, QUEUE_MAX, &limit))
		return;
	sr = request_reader(rq);
	if (!sr)
		return;
	buf_puts(&body, "{\"items\":");
	r = store_read_queue(sr, (int)limit, &body, &e);
	buf_puts(&body, "}");
	reply_read(rq, r, &body, &e);
}
