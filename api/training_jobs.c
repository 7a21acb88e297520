/* SPDX-License-Identifier: MIT */
/* Training jobs of the whole AWS account, including those that this daemon did not start. The
 * server's threads run this. */
#include "api/handlers.h"

#include "api/account.h"
#include "api/reply.h"
#include "base/own.h"
#include "base/str.h"

#include <string.h>

#define JOBS_DEFAULT  50
#define LINES_DEFAULT 1000
#define JOB_NAME_MAX  63 /* SageMaker's limit */

/* SageMaker's status names. */
static const char *const statuses[] = {"InProgress", "Completed", "Failed",
				       "Stopping",   "Stopped",	  "Deleting"};

static bool read_status(struct request *rq, const char **ret)
{
	const char *given = request_param(rq, "status"), *near;

	for (size_t i = 0; given && i < ARRAY_LEN(statuses); i++) {
		if (str_eq(given, statuses[i])) {
			*ret = statuses[i];
			return true;
		}
	}
	if (!given)
		return true;
	near = str_nearest(given, statuses, ARRAY_LEN(statuses));
	reply_problem(rq, 400, "invalid_parameter",
		      "the query parameter 'status' must be InProgress, Completed, Failed, "
		      "Stopping, Stopped or Deleting, not '%.64s'%s%s%s",
		      given, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	return false;
}

void training_jobs_list(struct request *rq)
{
	struct account_query *q = account_query_of(rq);

	if (!q || !account_params(rq, q, JOBS_DEFAULT, ACCOUNT_ITEMS_MAX) ||
	    !request_param_time(rq, "created_after", &q->after_us) ||
	    !request_param_time(rq, "created_before", &q->before_us) ||
	    !account_param_text(rq, "name_contains", 1, JOB_NAME_MAX, &q->name_contains) ||
	    !read_status(rq, &q->status))
		return;
	q->kind = ACCOUNT_JOBS;
	account_ask(rq);
}

/* The query for the job named in the path; NULL if an error was replied. */
static struct account_query *job_query(struct request *rq, enum account_kind kind)
{
	struct account_query *q = account_query_of(rq);

	if (!q || !account_params(rq, q, LINES_DEFAULT, ACCOUNT_LOG_LINES_MAX))
		return NULL;
	if (strlen(rq->args[0]) > JOB_NAME_MAX) {
		reply_problem(rq, 404, "not_found",
			      "there is no training job '%.80s': a name has at most %d characters",
			      rq->args[0], JOB_NAME_MAX);
		return NULL;
	}
	q->kind = kind;
	q->name = rq->args[0];
	return q;
}

void training_jobs_get(struct request *rq)
{
	if (job_query(rq, ACCOUNT_JOB))
		account_ask(rq);
}

void training_jobs_logs(struct request *rq)
{
	struct account_query *q = job_query(rq, ACCOUNT_JOB_LOGS);

	if (!q || !request_param_int(rq, "tail", 1, ACCOUNT_LOG_LINES_MAX, &q->tail))
		return;
	if (q->tail && (q->cursor || request_param(rq, "limit"))) {
		reply_problem(rq, 400, "invalid_parameter",
			      "'tail' reads from the end, 'limit' and 'cursor' read from the "
			      "beginning; give one or the other");
		return;
	}
	account_ask(rq);
}
