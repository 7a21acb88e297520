/* SPDX-License-Identifier: MIT */
/*
 * Tokenises rows of text on several threads. A chunk collects rows (their texts copied),
 * encoder_run() tokenises all of it, and the caller reads the results and clears it.
 */
#pragma once

#include "base/buf.h"
#include "worker/tokenizer/tokenizer.h"

#define CHUNK_ROWS	1000
#define CHUNK_BYTES	(32u << 20) /* a chunk is full from here on */
#define ENCODER_THREADS 64

/* The label of a row. The kind of the data set says which field it is in. */
struct row_label {
	int64_t id;
	float number;		/* of a regression */
	const int32_t *classes; /* those that apply, in their order; borrowed */
	size_t classes_n;
};

struct chunk_row {
	size_t text, text_len, pair, pair_len; /* offsets in the chunk's bytes */
	bool has_pair, truncated;
	struct row_label label;
	int32_t *ids; /* n of them, followed by n type ids */
	size_t n;
};

struct chunk {
	struct buf bytes;
	struct chunk_row rows[CHUNK_ROWS];
	size_t n;
};

struct encoder {
	const struct tokenizer *tokenizer;
	size_t max_length;
	int threads; /* 1 .. ENCODER_THREADS */
	struct tokenizer_scratch *scratch[ENCODER_THREADS];
};

struct chunk *chunk_new(void); /* NULL: no memory */
void chunk_clear(struct chunk *c);
void chunk_free(struct chunk *c);
bool chunk_is_full(const struct chunk *c);
/* Copies the texts. 0 or -ENOMEM. */
int chunk_add(struct chunk *c, const char *text, size_t text_len, const char *pair, size_t pair_len,
	      const struct row_label *label);

int encoder_init(struct encoder *e, const struct tokenizer *t, size_t max_length,
		 int threads);			     /* 0 or -ENOMEM */
int encoder_run(struct encoder *e, struct chunk *c); /* 0 or -ENOMEM */
void encoder_done(struct encoder *e);
