/* SPDX-License-Identifier: MIT */
/*
 * The queue, the choice of rows for a batch, the call of the network, and the distribution of its
 * answers to the jobs.
 */
#include "worker/serve/batcher.h"

#include "base/completion.h"
#include "base/own.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

struct piece {
	struct batcher_job *job;
	size_t first, rows;
};

struct batcher {
	struct classifier *c;
	size_t labels;
	bool type_ids;
	void (*on_broken)(void *userdata, const struct err *e);
	void *userdata;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;

	/* under the lock */
	STAILQ_HEAD(, batcher_job) queue;
	size_t waiting;
	int64_t tokens; /* of waiting */
	bool stopping;

	/* the thread's own: one batch */
	struct piece pieces[BATCHER_ROWS];
	size_t pieces_n;
	int64_t offsets[BATCHER_ROWS + 1];
	int32_t *ids;
	int8_t *types;
	size_t ids_cap;
	float *logits; /* BATCHER_ROWS * labels */
	bool broken;
};

static int64_t job_tokens(const struct batcher_job *job)
{
	return job->batch.offsets[job->batch.rows];
}

/* Take rows of `job` into the batch while they fit. True if all of them are taken. */
static bool take_rows(struct batcher *b, struct batcher_job *job, int64_t *tokens, size_t *rows)
{
	const int64_t *at = job->batch.offsets;
	size_t first = job->taken;

	while (job->taken < job->batch.rows && *rows < BATCHER_ROWS) {
		int64_t n = at[job->taken + 1] - at[job->taken];

		if (*rows && *tokens + n > BATCHER_TOKENS)
			break;
		*tokens += n;
		++*rows;
		job->taken++;
	}
	if (job->taken > first)
		b->pieces[b->pieces_n++] = (struct piece){job, first, job->taken - first};
	return job->taken == job->batch.rows;
}

static struct batcher_job *pop(struct batcher *b)
{
	struct batcher_job *job = STAILQ_FIRST(&b->queue);

	STAILQ_REMOVE_HEAD(&b->queue, link);
	b->waiting--;
	b->tokens -= job_tokens(job);
	return job;
}

static void push(struct batcher *b, struct batcher_job *job)
{
	STAILQ_INSERT_TAIL(&b->queue, job, link);
	b->waiting++;
	b->tokens += job_tokens(job);
}

int batcher_put(struct batcher *b, struct batcher_job *job, struct err *reterr)
{
	int r = 0;

	job->taken = job->finished = 0;
	job->result = 0;
	pthread_mutex_lock(&b->lock);
	if (b->stopping) {
		r = err_set(reterr, ERR_UNAVAILABLE, "the server is stopping");
	} else if (b->waiting >= BATCHER_QUEUE_MAX ||
		   (b->waiting && b->tokens + job_tokens(job) > BATCHER_TOKENS_MAX)) {
		r = err_set(reterr, ERR_LIMIT,
			    "%zu requests with %lld tokens wait already; try again later",
			    b->waiting, (long long)b->tokens);
	} else {
		push(b, job);
		pthread_cond_signal(&b->wake);
	}
	pthread_mutex_unlock(&b->lock);
	return r;
}

/* Wait for work and choose a batch. False if the queue is empty and the batcher stops. */
static bool choose(struct batcher *b)
{
	int64_t tokens = 0;
	size_t rows = 0;

	b->pieces_n = 0;
	pthread_mutex_lock(&b->lock);
	while (STAILQ_EMPTY(&b->queue) && !b->stopping)
		pthread_cond_wait(&b->wake, &b->lock);
	while (!STAILQ_EMPTY(&b->queue) && rows < BATCHER_ROWS && tokens < BATCHER_TOKENS) {
		struct batcher_job *first = STAILQ_FIRST(&b->queue);
		bool all = take_rows(b, first, &tokens, &rows);
		bool some = first->taken > first->finished;
		struct batcher_job *job = all || some ? pop(b) : NULL;

		if (job && !all)
			push(b, job); /* its other rows wait behind those of other jobs */
		if (!all)
			break;
	}
	pthread_mutex_unlock(&b->lock);
	return b->pieces_n > 0;
}

static int reserve(struct batcher *b, size_t n)
{
	int32_t *ids;
	int8_t *types;

	if (n <= b->ids_cap)
		return 0;
	ids = realloc(b->ids, n * sizeof(*ids));
	b->ids = ids ? ids : b->ids;
	types = realloc(b->types, n);
	b->types = types ? types : b->types;
	if (!ids || !types)
		return -ENOMEM;
	b->ids_cap = n;
	return 0;
}

/* Copy the rows of n pieces into one batch. */
static int gather(struct batcher *b, size_t first, size_t n_pieces, struct token_batch *ret,
		  struct err *reterr)
{
	size_t rows = 0, n = 0;

	for (size_t i = first; i < first + n_pieces; i++) {
		const struct piece *p = &b->pieces[i];
		const int64_t *at = p->job->batch.offsets + p->first;
		size_t from = (size_t)at[0], len = (size_t)(at[p->rows] - at[0]);

		if (reserve(b, n + len) < 0)
			return err_errno(reterr, ENOMEM, "make a batch");
		memcpy(b->ids + n, p->job->batch.ids + from, len * sizeof(*b->ids));
		if (p->job->batch.type_ids)
			memcpy(b->types + n, p->job->batch.type_ids + from, len);
		else
			memset(b->types + n, 0, len);
		for (size_t row = 0; row < p->rows; row++)
			b->offsets[rows++] = (int64_t)n + at[row] - at[0];
		n += len;
	}
	b->offsets[rows] = (int64_t)n;
	*ret = (struct token_batch){.ids = b->ids,
				    .type_ids = b->type_ids ? b->types : NULL,
				    .offsets = b->offsets,
				    .rows = rows};
	return 0;
}

/* Count the rows of one piece as finished. True if they were the last of their job. */
static bool piece_done(struct batcher *b, const struct piece *p, int result, const struct err *e)
{
	struct batcher_job *job = p->job;
	bool last;

	pthread_mutex_lock(&b->lock);
	job->finished += p->rows;
	if (result < 0 && job->result == 0) {
		job->result = result;
		job->err = *e;
	}
	last = job->finished == job->batch.rows;
	pthread_mutex_unlock(&b->lock);
	return last;
}

/* Check that the answers of one piece are finite. */
static int check_finite(const struct batcher *b, const struct piece *p, const float *logits,
			struct err *e)
{
	for (size_t i = 0; i < p->rows * b->labels; i++)
		if (!isfinite(logits[i]))
			return err_set(
				e, ERR_NUMERIC,
				"the model's answer to input %zu is not a number, so its weights "
				"are damaged or its training diverged; train the model again",
				p->first + i / b->labels);
	return 0;
}

/* Give the answers of n pieces to their jobs. A job that has its last row is done. */
static void scatter(struct batcher *b, size_t first, size_t n, int result, struct err *e)
{
	const float *from = b->logits;

	for (size_t i = first; i < first + n; i++) {
		struct piece *p = &b->pieces[i];
		int r = result < 0 ? result : check_finite(b, p, from, e);

		memcpy(p->job->logits + p->first * b->labels, from,
		       p->rows * b->labels * sizeof(*from));
		from += p->rows * b->labels;
		if (piece_done(b, p, r, e))
			p->job->done(p->job);
	}
}

void batcher_abandon(struct batcher *b)
{
	STAILQ_HEAD(, batcher_job) idle = STAILQ_HEAD_INITIALIZER(idle);
	struct batcher_job *job;

	pthread_mutex_lock(&b->lock);
	b->stopping = true;
	while (!STAILQ_EMPTY(&b->queue)) {
		job = pop(b);
		if (job->result == 0)
			job->result = err_set(&job->err, ERR_UNAVAILABLE, "the server is stopping");
		if (job->taken > job->finished)
			job->batch.rows = job->taken; /* its current batch is its last */
		else
			STAILQ_INSERT_TAIL(&idle, job, link);
	}
	pthread_cond_signal(&b->wake);
	pthread_mutex_unlock(&b->lock);
	while ((job = STAILQ_FIRST(&idle))) {
		STAILQ_REMOVE_HEAD(&idle, link);
		job->done(job);
	}
}

/* True if the error comes from the input or from a lack of memory, so that the next batch may
 * succeed. */
static bool is_passing(int result)
{
	return result == -ERR_INVALID || result == -ERR_DEVICE_OOM || result == -ENOMEM;
}

/* Run n pieces in one batch. One request may have caused an error of the batch. So each piece is
 * then run alone, and only the one that fails again gets the error. */
static void answer(struct batcher *b, size_t first, size_t n)
{
	struct token_batch batch;
	struct err e = {0};
	int r = gather(b, first, n, &batch, &e);

	if (r >= 0)
		r = classifier_forward(b->c, &batch, b->logits, &e);
	if (r < 0 && is_passing(r) && n > 1) {
		for (size_t i = first; i < first + n; i++)
			answer(b, i, 1);
		return;
	}
	if (r < 0 && !is_passing(r) && !b->broken) {
		b->broken = true;
		b->on_broken(b->userdata, &e);
	}
	scatter(b, first, n, r < 0 ? r : 0, &e);
}

static void *run(void *arg)
{
	struct batcher *b = arg;

	while (choose(b))
		answer(b, 0, b->pieces_n);
	return NULL;
}

static void free_memory(struct batcher *b)
{
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->wake);
	free(b->ids);
	free(b->types);
	free(b->logits);
	free(b);
}

int batcher_new(struct classifier *c, void (*on_broken)(void *userdata, const struct err *e),
		void *userdata, struct batcher **ret, struct err *reterr)
{
	struct batcher *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return err_errno(reterr, ENOMEM, "start the inference thread");
	b->c = c;
	b->labels = (size_t)classifier_label_count(c);
	b->type_ids = classifier_takes_type_ids(c);
	b->on_broken = on_broken;
	b->userdata = userdata;
	STAILQ_INIT(&b->queue);
	b->logits = calloc(BATCHER_ROWS * b->labels, sizeof(*b->logits));
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->wake, NULL);
	r = b->logits ? pthread_create(&b->thread, NULL, run, b) : ENOMEM;
	if (r) {
		free_memory(b);
		return err_errno(reterr, r, "start the inference thread");
	}
	*ret = b;
	return 0;
}

void batcher_free(struct batcher *b)
{
	if (!b)
		return;
	pthread_mutex_lock(&b->lock);
	b->stopping = true;
	pthread_cond_signal(&b->wake);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	free_memory(b);
}

static void on_ended(struct batcher_job *job)
{
	completion_signal(job->userdata);
}

int batcher_run(struct batcher *b, const struct token_batch *batch, float *logits,
		struct err *reterr)
{
	struct completion ended = COMPLETION_INIT;
	struct batcher_job job = {
		.batch = *batch, .logits = logits, .done = on_ended, .userdata = &ended};
	int r = batcher_put(b, &job, reterr);

	if (r < 0)
		return r;
	completion_wait(&ended);
	if (job.result < 0 && reterr)
		*reterr = job.err;
	return job.result;
}
