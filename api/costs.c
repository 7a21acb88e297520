/* SPDX-License-Identifier: MIT */
/* GET /v1/costs: settled and reserved amounts, the caps and what is left of them. The server's
 * threads run this. */
#include "api/costs.h"

#include "api/handlers.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/money.h"
#include "base/own.h"
#include "daemon/manager.h"

#define COSTS_DAYS_MAX 3660 /* ten years */

static json_t *cap_json(int64_t micro_usd)
{
	char text[MONEY_TEXT_LEN];

	return micro_usd == MONEY_NONE ? json_null() : json_string(money_format(text, micro_usd));
}

int costs_add_sums(struct request *rq, struct store_reader *sr, json_t *to, const char *key,
		   struct err *reterr)
{
	struct money_caps caps = manager_money_caps(rq->api->manager);
	OWN(json_decrefp) json_t *sums = NULL;
	int r = store_read_money(sr, &caps, clock_now_us(), &sums, reterr);

	if (r < 0)
		return r;
	json_object_set_new(sums, "caps",
			    json_pack("{s:o, s:o, s:o}", "job_usd", cap_json(caps.job), "day_usd",
				      cap_json(caps.day), "month_usd", cap_json(caps.month)));
	json_object_set_new(sums, "prices_noted",
			    json_string(manager_prices_noted(rq->api->manager)));
	if (key[0] ? json_object_set(to, key, sums) < 0 : json_object_update(to, sums) < 0)
		return err_errno(reterr, ENOMEM, "sum up the costs");
	return 0;
}

json_t *costs_of_job(struct request *rq, const json_t *spec, json_t *ledger)
{
	json_t *worst = manager_worst_case(rq->api->manager, spec), *cost;

	cost = ledger || !worst
		       ? json_incref(ledger)
		       : json_pack("{s:s, s:s}", "reserved_usd", "0.00", "settled_usd", "0.00");
	if (worst)
		json_object_set_new(cost, "worst_case_usd", worst);
	return cost;
}

/* Read the days from … to, both inclusive; default: the current month. Returns false if an error
 * was replied. */
static bool read_range(struct request *rq, int64_t *first, int64_t *last)
{
	int64_t next, now = clock_now_us(), from = INT64_MIN, to = INT64_MIN;

	if (!request_param_time(rq, "from", &from) || !request_param_time(rq, "to", &to))
		return false;
	*last = utc_day(to == INT64_MIN ? now : to);
	utc_month(*last, first, &next);
	if (from != INT64_MIN)
		*first = utc_day(from);
	if (from != INT64_MIN && to == INT64_MIN && *last < *first)
		*last = *first;
	if (*first > *last) {
		reply_problem(rq, 400, "invalid_parameter",
			      "the query parameter 'from' is later than 'to'; swap the two");
		return false;
	}
	if (*last - *first >= COSTS_DAYS_MAX) {
		reply_problem(rq, 400, "invalid_parameter",
			      "the query parameters 'from' and 'to' are more than %d days apart; "
			      "ask for fewer days",
			      COSTS_DAYS_MAX);
		return false;
	}
	return true;
}

void costs(struct request *rq)
{
	OWN(json_decrefp) json_t *answer = NULL;
	struct store_reader *sr;
	int64_t first, last;
	struct err e;
	int r;

	if (!read_range(rq, &first, &last))
		return;
	sr = request_reader(rq);
	if (!sr)
		return;
	r = store_read_costs(sr, first, last, &answer, &e);
	if (r >= 0)
		r = costs_add_sums(rq, sr, answer, "", &e);
	if (r < 0)
		reply_error(rq, r, &e);
	else
		reply_json(rq, 200, TAKE(answer));
}
