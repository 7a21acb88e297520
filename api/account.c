/* SPDX-License-Identifier: MIT */
/* Queries of the AWS account for handlers, and the mapping of their failures to replies. The
 * server's threads run this. */
#include "api/account.h"

#include "api/reply.h"
#include "base/own.h"

#include <string.h>

#define THROTTLED_RETRY_S 5

static void on_done(struct account_query *q)
{
	request_resume(q->userdata);
}

static void query_free(void *state)
{
	struct account_query *q = state;

	json_decref(q->json);
	json_decref(q->about);
	free(q);
}

struct account_query *account_query_of(struct request *rq)
{
	struct account_query *q = calloc(1, sizeof(*q));

	rq->state = q;
	rq->state_free = query_free;
	return q;
}

/* A problem between the daemon and AWS is no fault of the request: 5xx, unless AWS refuses the
 * query as invalid. 403 is reserved for the rights of a client's own token. */
static void reply_failure(struct request *rq, const struct account_query *q)
{
	static const struct {
		unsigned status;
		const char *code;
	} answers[] = {
		[ACCOUNT_CREDENTIALS] = {503, "credentials"},
		[ACCOUNT_DENIED] = {502, "access_denied"},
		[ACCOUNT_THROTTLED] = {503, "throttled"},
		[ACCOUNT_UNREACHABLE] = {503, "aws_unreachable"},
		[ACCOUNT_MISSING] = {404, "not_found"},
		[ACCOUNT_REFUSED] = {400, "refused"},
		[ACCOUNT_UNREADABLE] = {502, "unreadable"},
	};

	if (q->failure == ACCOUNT_OURS) {
		reply_error(rq, q->result, &q->err);
		return;
	}
	reply_problem(rq, answers[q->failure].status, answers[q->failure].code, "%s", q->err.msg);
	if (q->failure == ACCOUNT_THROTTLED)
		reply_header_int(rq, "Retry-After", THROTTLED_RETRY_S);
}

static void answered(struct request *rq)
{
	struct account_query *q = rq->state;

	if (q->result < 0)
		reply_failure(rq, q);
	else
		reply_json(rq, 200, TAKE(q->json));
}

void account_ask(struct request *rq)
{
	struct account_query *q = rq->state;

	q->done = on_done;
	q->userdata = rq;
	request_wait(rq, answered);
	if (manager_account(rq->api->manager, q) < 0)
		request_resume(rq);
}

bool account_param_text(struct request *rq, const char *name, size_t min, size_t max,
			const char **ret)
{
	const char *text = request_param(rq, name);
	size_t n = text ? strlen(text) : min;

	*ret = text;
	if (n >= min && n <= max)
		return true;
	reply_problem(rq, 400, "invalid_parameter",
		      "the query parameter '%s' must have %zu to %zu bytes, not %zu", name, min,
		      max, n);
	return false;
}

bool account_params(struct request *rq, struct account_query *q, int64_t fallback, int64_t max)
{
	q->limit = fallback;
	return account_param_text(rq, "region", 1, 31, &q->region) &&
	       account_param_text(rq, "cursor", 1, ACCOUNT_CURSOR_MAX, &q->cursor) &&
	       request_param_int(rq, "limit", 1, max, &q->limit);
}
