/* SPDX-License-Identifier: MIT */
/* GET /v1/overview (the first screen of a dashboard), the devices and the queue. The server's
 * threads run this. */
#include "api/handlers.h"

#include "api/costs.h"
#include "api/reply.h"
#include "base/clock.h"
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

/* The items of a list, without the page around them. */
static json_t *items_of(json_t *list)
{
	json_t *items = json_incref(json_object_get(list, "items"));

	json_decref(list);
	return items;
}

static int read_overview(struct store_reader *sr, json_t *to, struct err *reterr)
{
	struct list_filter active = {
		.states = BIT(STATE_STARTING) | BIT(STATE_RUNNING) | BIT(STATE_STOPPING),
		.limit = OVERVIEW_ITEMS,
	};
	struct list_filter live = {.states = live_endpoints(), .limit = OVERVIEW_ITEMS};
	int64_t seq, changes;
	json_t *part;
	int r;

	/* Read seq first: the reply may contain events after seq, but misses none before it. */
	r = store_read_versions(sr, &seq, &changes, reterr);
	if (r < 0)
		return r;
	json_object_set_new(to, "seq", json_integer(seq));
	json_object_set_new(to, "generation", json_string(store_reader_generation(sr)));
	r = store_read_counts(sr, &part, reterr);
	if (r < 0)
		return r;
	json_object_set_new(to, "counts", part);
	r = store_read_jobs(sr, &active, &part, reterr);
	if (r < 0)
		return r;
	json_object_set_new(to, "active", items_of(part));
	r = store_read_queue(sr, OVERVIEW_ITEMS, &part, reterr);
	if (r < 0)
		return r;
	json_object_set_new(to, "queue", items_of(part));
	r = store_read_endpoints(sr, &live, &part, reterr);
	if (r < 0)
		return r;
	json_object_set_new(to, "endpoints", items_of(part));
	return 0;
}

void overview(struct request *rq)
{
	OWN(json_decrefp) json_t *answer = json_object();
	struct store_reader *sr = request_reader(rq);
	char at[CLOCK_TEXT_LEN];
	struct err e;
	int r;

	if (!sr)
		return;
	json_object_set_new(answer, "version", json_string(rq->api->version));
	json_object_set_new(answer, "at", json_string(clock_format(at, clock_now_us())));
	r = read_overview(sr, answer, &e);
	if (r >= 0)
		r = costs_add_sums(rq, sr, answer, "money", &e);
	if (r < 0) {
		reply_error(rq, r, &e);
		return;
	}
	json_object_set_new(answer, "devices", manager_devices(rq->api->manager));
	json_object_set_new(answer, "daemon", manager_status(rq->api->manager));
	reply_json(rq, 200, TAKE(answer));
}

void devices(struct request *rq)
{
	reply_json(rq, 200, manager_devices(rq->api->manager));
}

void queue(struct request *rq)
{
	int64_t limit = QUEUE_DEFAULT;
	struct store_reader *sr;
	json_t *list;
	struct err e;
	int r;

	if (!request_param_int(rq, "limit", 1, QUEUE_MAX, &limit))
		return;
	sr = request_reader(rq);
	if (!sr)
		return;
	r = store_read_queue(sr, (int)limit, &list, &e);
	if (r < 0)
		reply_error(rq, r, &e);
	else
		reply_json(rq, 200, list);
}
