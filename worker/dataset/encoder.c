/* SPDX-License-Identifier: MIT */
/* The threads take rows in small steps from a shared counter. The result of row i has the place i,
 * whichever thread made it. */
#include "worker/dataset/encoder.h"

#include "base/own.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define STEP_ROWS 8

struct shared {
	struct encoder *encoder;
	struct chunk *chunk;
	atomic_size_t next;
	atomic_int result;
};

struct lane {
	struct shared *shared;
	int index;
	pthread_t thread;
};

struct chunk *chunk_new(void)
{
	struct chunk *c = calloc(1, sizeof(*c));

	if (c)
		buf_init(&c->bytes, SIZE_MAX / 2);
	return c;
}

void chunk_clear(struct chunk *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->rows[i].ids);
	c->n = 0;
	buf_clear(&c->bytes);
}

void chunk_free(struct chunk *c)
{
	if (!c)
		return;
	chunk_clear(c);
	buf_done(&c->bytes);
	free(c);
}

bool chunk_is_full(const struct chunk *c)
{
	return c->n == CHUNK_ROWS || c->bytes.len >= CHUNK_BYTES;
}

int chunk_add(struct chunk *c, const char *text, size_t text_len, const char *pair, size_t pair_len,
	      const struct row_label *label)
{
	struct chunk_row *row = &c->rows[c->n];

	*row = (struct chunk_row){.text = c->bytes.len,
				  .text_len = text_len,
				  .pair = c->bytes.len + text_len,
				  .pair_len = pair_len,
				  .has_pair = pair != NULL,
				  .label = *label};
	if (buf_put(&c->bytes, text, text_len) < 0 ||
	    (pair && buf_put(&c->bytes, pair, pair_len) < 0))
		return -ENOMEM;
	c->n++;
	return 0;
}

static int encode_row(struct encoder *e, int lane, const struct chunk *c, struct chunk_row *row)
{
	const char *bytes = buf_str(&c->bytes);
	struct encoding out;
	int r = tokenizer_encode(e->tokenizer, e->scratch[lane], bytes + row->text, row->text_len,
				 row->has_pair ? bytes + row->pair : NULL, row->pair_len,
				 e->max_length, &out);

	if (r < 0)
		return r;
	row->ids = malloc(out.n * (sizeof(*out.ids) + 1));
	if (!row->ids)
		return -ENOMEM;
	memcpy(row->ids, out.ids, out.n * sizeof(*out.ids));
	memcpy(row->ids + out.n, out.type_ids, out.n);
	row->n = out.n;
	row->truncated = out.truncated;
	return 0;
}

static void *work(void *arg)
{
	struct lane *lane = arg;
	struct shared *s = lane->shared;

	for (;;) {
		size_t i = atomic_fetch_add(&s->next, STEP_ROWS), end = i + STEP_ROWS;

		if (i >= s->chunk->n || atomic_load(&s->result) < 0)
			return NULL;
		for (; i < end && i < s->chunk->n; i++) {
			int r = encode_row(s->encoder, lane->index, s->chunk, &s->chunk->rows[i]);

			if (r < 0)
				atomic_store(&s->result, r);
		}
	}
}

int encoder_init(struct encoder *e, const struct tokenizer *t, size_t max_length, int threads)
{
	*e = (struct encoder){.tokenizer = t, .max_length = max_length};
	e->threads = threads < 1 ? 1 : threads > ENCODER_THREADS ? ENCODER_THREADS : threads;
	for (int i = 0; i < e->threads; i++) {
		e->scratch[i] = tokenizer_scratch_new();
		if (!e->scratch[i])
			return -ENOMEM;
	}
	return 0;
}

void encoder_done(struct encoder *e)
{
	for (int i = 0; i < ENCODER_THREADS; i++)
		tokenizer_scratch_free(e->scratch[i]);
	*e = (struct encoder){0};
}

int encoder_run(struct encoder *e, struct chunk *c)
{
	struct shared s = {.encoder = e, .chunk = c};
	struct lane lanes[ENCODER_THREADS];
	int started = 1;

	lanes[0] = (struct lane){.shared = &s};
	for (; started < e->threads && (size_t)started * STEP_ROWS < c->n; started++) {
		lanes[started] = (struct lane){.shared = &s, .index = started};
		if (pthread_create(&lanes[started].thread, NULL, work, &lanes[started]) != 0)
			break; /* the others do its share */
	}
	work(&lanes[0]);
	for (int i = 1; i < started; i++)
		pthread_join(lanes[i].thread, NULL);
	return atomic_load(&s.result);
}
