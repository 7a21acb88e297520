/* SPDX-License-Identifier: MIT */
/* The table of routes: methods, paths, bodies, parameters, handlers. api/server.c and api/head.c
 * call this. */
#pragma once

#include "api/request.h"

#define ROUTES_MAX 128 /* rows of the table */

enum body_kind {
	BODY_NONE,
	BODY_OPTIONAL, /* a small JSON object or no body */
	BODY_JSON,     /* a JSON body is required */
	BODY_RAW,      /* any bytes, passed to an endpoint */
};

struct route {
	const char *method;
	const char *pattern; /* "/v1/jobs/{job}/artifacts/{path...}" */
	void (*handler)(struct request *rq);
	const char *const *params; /* allowed query parameters, NULL-terminated; NULL: none */
	enum body_kind body;
	bool sagemaker;	 /* True if errors have SageMaker's form */
	const char *doc; /* one line; also the summary in openapi.json */
};

/* Find rq's route and fill rq->args and rq->rest. Returns false if 404 (with the nearest route) or
 * 405 (with Allow) was replied. */
bool routes_find(struct request *rq);
/* True if the route allows each query parameter and none is repeated. Returns false if 400 was
 * replied. */
bool routes_check_params(struct request *rq);
/* The maximum body of a route in bytes. */
size_t route_body_max(const struct route *route, size_t json_max);
