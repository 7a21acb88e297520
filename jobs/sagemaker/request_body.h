/* SPDX-License-Identifier: MIT */
/*
 * Internal to jobs/sagemaker/: a request under construction. The first failure is kept and later
 * calls do nothing, so that a builder checks only once, with request_end().
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

struct request {
	json_t *body; /* owned */
	json_t *warnings;
	struct err *reterr;
	int r; /* negative after a failure, with the reason in *reterr */
};

void request_start(struct request *q, json_t *warnings, struct err *reterr);
/* Hand over the body: 0 and *ret, or the first failure. */
int request_end(struct request *q, json_t **ret);
/* Record a failure whose message is in q->reterr; -ENOMEM gets its message here. */
void request_fail(struct request *q, int r);
void request_refuse(struct request *q, int code, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void request_warn(struct request *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Set a member. Takes over `value` (NULL: memory is out) and returns it, borrowed. Returns NULL
 * after a failure; the other functions accept that NULL as an object. */
json_t *request_set(struct request *q, json_t *object, const char *key, json_t *value);
json_t *request_add(struct request *q, json_t *array, json_t *value);
