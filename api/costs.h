/* SPDX-License-Identifier: MIT */
/* Sums of money in the answers of GET /v1/costs and GET /v1/overview. */
#pragma once

#include "api/request.h"

#include "storage/store_read.h"

/* Set `key` of `to` ("": `to` itself) to {"today","month","caps","prices_noted"}. */
int costs_add_sums(struct request *rq, struct store_reader *sr, json_t *to, const char *key,
		   struct err *reterr) MUSTCHECK;
