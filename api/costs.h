/* SPDX-License-Identifier: MIT */
/* Sums of money in the answers of GET /v1/costs and GET /v1/overview. */
#pragma once

#include "api/request.h"

#include "storage/store_read.h"

/* Set `key` of `to` ("": `to` itself) to {"today","month","caps","prices_noted"}. */
int costs_add_sums(struct request *rq, struct store_reader *sr, json_t *to, const char *key,
		   struct err *reterr) MUSTCHECK;
/* "cost" of a job: what the ledger has (NULL: nothing yet) and the worst case of its spec, which is
 * known before. New reference; NULL if the job costs nothing. */
json_t *costs_of_job(struct request *rq, const json_t *spec, json_t *ledger);
