/* SPDX-License-Identifier: MIT */
/* The table of routes: which methods and paths there are, what they take, who answers. */
#pragma once

#include "api/request.h"

enum body_kind {
	BODY_NONE,
	BODY_OPTIONAL, /* a small JSON object, or nothing */
	BODY_JSON,     /* required */
	BODY_RAW,      /* any bytes, for an endpoint */
};

struct route {
	const char *method;
	const char *pattern; /* "/v1/jobs/{job}/artifacts/{path...}" */
	void (*handler)(struct request *rq);
	const char *const *params; /* query parameters, NULL-terminated; NULL: none */
	enum body_kind body;
	bool sagemaker;	 /* errors in SageMaker's shape */
	const char *doc; /* one line, also the summary in openapi.json */
};

const struct route *routes_all(size_t *ret_n);
/* Find rq's route and fill rq->args and rq->rest. False: replied 404 (with the nearest route) or
 * 405 (with Allow). */
bool routes_find(struct request *rq);
/* True if the route knows all query parameters and none is given twice. False: replied 400. */
bool routes_check_params(struct request *rq);
/* The greatest body of a route, in bytes. */
size_t route_body_max(const struct route *route, size_t json_max);
