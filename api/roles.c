/* SPDX-License-Identifier: MIT */
/* IAM roles that SageMaker may assume: a list, and one role with its policies and what they suffice
 * for. The server's threads run this. */
#include "api/handlers.h"

#include "api/account.h"
#include "api/reply.h"

#include <string.h>

#define LIMIT_DEFAULT 100
#define PREFIX_MAX    512 /* IAM's limit */

void roles_list(struct request *rq)
{
	struct account_query *q = account_query_of(rq);

	if (!q || !account_params(rq, q, LIMIT_DEFAULT, ACCOUNT_ITEMS_MAX) ||
	    !account_param_text(rq, "path_prefix", 1, PREFIX_MAX, &q->path_prefix) ||
	    !account_param_text(rq, "name_contains", 1, ACCOUNT_NAME_MAX, &q->name_contains))
		return;
	if (q->path_prefix && q->path_prefix[0] != '/') {
		reply_problem(rq, 400, "invalid_parameter",
			      "the query parameter 'path_prefix' must begin with '/', as in "
			      "/service-role/");
		return;
	}
	q->kind = ACCOUNT_ROLES;
	account_ask(rq);
}

void roles_get(struct request *rq)
{
	struct account_query *q = account_query_of(rq);

	if (!q || !account_params(rq, q, 1, 1) ||
	    !account_param_text(rq, "bucket", 3, ACCOUNT_BUCKET_MAX, &q->bucket))
		return;
	if (strlen(rq->args[0]) > ACCOUNT_NAME_MAX) {
		reply_problem(rq, 404, "not_found",
			      "there is no role '%.80s': a name has at most %d "
			      "characters",
			      rq->args[0], ACCOUNT_NAME_MAX);
		return;
	}
	q->kind = ACCOUNT_ROLE;
	q->name = rq->args[0];
	account_ask(rq);
}
