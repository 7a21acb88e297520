/* SPDX-License-Identifier: MIT */
/*
 * One inference thread and its queue. If the thread is free, it takes queued rows in the order of
 * arrival, up to a budget of tokens. There is no timer, so a lone request never waits, and under
 * load batches fill by themselves. A request with many rows is answered over several batches. After
 * each batch its other rows go to the end of the queue, so that small requests do not wait for all
 * of them.
 */
#pragma once

#include "base/err.h"
#include "worker/model/classifier.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define BATCHER_TOKENS	   16384      /* in one batch; one row may have more */
#define BATCHER_ROWS	   512	      /* in one batch */
#define BATCHER_QUEUE_MAX  512	      /* waiting requests */
#define BATCHER_TOKENS_MAX (4L << 20) /* of all waiting requests */

struct batcher;

/* The caller fills and owns it, and does not touch it between batcher_put() and done(). */
struct batcher_job {
	struct token_batch batch; /* the caller owns its arrays */
	float *logits;		  /* rows * labels */
	/* Called on the inference thread. `result` is 0, or negative with `err`, which concerns
	 * this job alone. -ERR_NUMERIC: an answer is not finite. The function may free the job. */
	void (*done)(struct batcher_job *job);
	void *userdata;
	int result;
	struct err err;

	STAILQ_ENTRY(batcher_job) link; /* the batcher's own */
	size_t taken, finished;
};

/* Start the thread, which alone uses the borrowed `c`. `on_broken` is called on the thread at the
 * first error that ends all answers. */
int batcher_new(struct classifier *c, void (*on_broken)(void *userdata, const struct err *e),
		void *userdata, struct batcher **ret, struct err *reterr) MUSTCHECK;
/* 0; -ERR_LIMIT: the queue is full; -ERR_UNAVAILABLE: it is stopping. Never blocks. */
int batcher_put(struct batcher *b, struct batcher_job *job, struct err *reterr) MUSTCHECK;
/* The same, and wait for the answer. Must not be called on the inference thread. */
int batcher_run(struct batcher *b, const struct token_batch *batch, float *logits,
		struct err *reterr) MUSTCHECK;
/* Refuse new jobs. Queued jobs fail with -ERR_UNAVAILABLE, at the latest after the current
 * batch. */
void batcher_abandon(struct batcher *b);
/* Answer all queued jobs, then end the thread and free everything. NULL is allowed. */
void batcher_free(struct batcher *b);
