/* SPDX-License-Identifier: MIT */
/*
 * One inference thread and its queue. When the thread is free it takes what is queued, in the
 * order of arrival, up to a budget of tokens: no timer, so a lone request waits for nobody, and
 * under load batches fill by themselves. A request with many rows is answered over several batches.
 * After each it goes to the end of the queue, so that small ones do not wait for all of it.
 */
#pragma once

#include "base/err.h"
#include "worker/model/classifier.h"

#include <stddef.h>
#include <stdint.h>

#define BATCHER_TOKENS	   16384      /* in one batch; one row may have more */
#define BATCHER_ROWS	   512	      /* in one batch */
#define BATCHER_QUEUE_MAX  512	      /* waiting requests */
#define BATCHER_TOKENS_MAX (4L << 20) /* of all waiting requests */

struct batcher;

/* Filled by the asker, owned by it, not touched between batcher_put and done(). */
struct batcher_job {
	struct token_batch batch; /* its arrays are the asker's */
	float *logits;		  /* rows * labels */
	/* On the inference thread. result 0 or negative with err, which is of this job alone:
	 * -ERR_NUMERIC: an answer is not finite. May free the job. */
	void (*done)(struct batcher_job *job);
	void *userdata;
	int result;
	struct err err;

	struct batcher_job *next; /* the batcher's own */
	size_t taken, finished;
};

/* Starts the thread. `c` is borrowed and only used by it. `on_broken` (on the thread) hears of the
 * first error after which no more answers can be expected. */
int batcher_new(struct classifier *c, void (*on_broken)(void *userdata, const struct err *e),
		void *userdata, struct batcher **ret, struct err *reterr) MUSTCHECK;
/* 0; -ERR_LIMIT: the queue is full; -ERR_UNAVAILABLE: it is stopping. Never blocks. */
int batcher_put(struct batcher *b, struct batcher_job *job, struct err *reterr) MUSTCHECK;
/* The same, and wait for the answer: not from the inference thread. */
int batcher_run(struct batcher *b, const struct token_batch *batch, float *logits,
		struct err *reterr) MUSTCHECK;
/* Refuse from now on; what is queued fails with -ERR_UNAVAILABLE, at the latest when the batch at
 * hand is ready. */
void batcher_abandon(struct batcher *b);
/* Answer all that is queued, then end the thread and free. NULL is fine. */
void batcher_free(struct batcher *b);
