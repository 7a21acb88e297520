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
#define ENDPOINT_DISCARD_MAX	 (64L << 20) /* of a refused body, to be heard */

/* What a server answers with; borrowed by it. */
struct serving {
	struct classifier *c;
	struct tokenizer *tokenizer;
	struct batcher *batcher;
	struct payload_labels labels;
	size_t max_tokens; /* what the model and its tokeniser take */
};

struct endpoint;

/* Bind `name` in work_at and listen; requests are answered from now on. */
int endpoint_start(const struct serving *serving, int work_at, const char *name,
		   struct endpoint **ret, struct err *reterr) MUSTCHECK;
/* Refuse new connections, answer what has come, close. What has no answer after
 * ENDPOINT_DRAIN_MAX_MS is abandoned (503). The batcher must still run. */
void endpoint_stop(struct endpoint *p);
