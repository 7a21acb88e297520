/* SPDX-License-Identifier: MIT */
/*
 * The HTTP side of an endpoint, the one user of libmicrohttpd in the worker: GET /ping and POST
 * /invocations on the unix socket work/serve.sock. One thread parses, tokenises and writes; the
 * answers come from the batcher while the connection is suspended.
 *
 * Errors are {"error": "…", "field": "/inputs/3"}: 400 the body; 404 and 405 the URL; 413 the
 * body's size; 415 its type; 429 too much is waiting (Retry-After); 503 stopping; 507 out of device
 * memory.
 */
#pragma once

#include "base/err.h"
#include "worker/model/classifier.h"
#include "worker/serve/batcher.h"
#include "worker/serve/payload.h"
#include "worker/tokenizer/tokenizer.h"

#define ENDPOINT_BODY_MAX	 6291456      /* bytes, as SageMaker's real-time endpoints */
#define ENDPOINT_BODIES_MAX	 (256L << 20) /* bytes of all bodies being received */
#define ENDPOINT_CONNECTIONS_MAX 1024
#define ENDPOINT_IDLE_TIMEOUT_S	 60
#define ENDPOINT_DRAIN_MAX_MS	 20000
#define ENDPOINT_DISCARD_MAX	 (64L << 20) /* of a refused body that are still read */

/* What a server needs for its answers; borrowed. */
struct serving {
	struct classifier *c;
	struct tokenizer *tokenizer;
	struct batcher *batcher;
	struct payload_labels labels;
	size_t max_tokens; /* the limit of the model and its tokeniser */
};

struct endpoint;

/* Bind `name` in work_at and listen. Requests are answered from now on. */
int endpoint_start(const struct serving *serving, int work_at, const char *name,
		   struct endpoint **ret, struct err *reterr) MUSTCHECK;
/* Refuse new connections, answer the requests that have arrived, and close. Requests without an
 * answer after ENDPOINT_DRAIN_MAX_MS get 503. The batcher must still run. */
void endpoint_stop(struct endpoint *p);
