/* SPDX-License-Identifier: MIT */
/*
 * For tests/parity and bench: encode a file of texts and write the ids.
 *
 *   tokenise_file MODEL_DIR MAX_LENGTH THREADS INPUT OUTPUT
 *
 * INPUT: per row int64 length, bytes, int64 length of the pair (-1: none), bytes. OUTPUT: per row
 * int32 n, int32 truncated, n x int32 ids, n x int8 type ids. Prints {"rows","load_s","encode_s",
 * "vocab_size","model_max_length"}.
 */
#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "worker/tokenizer/tokenizer.h"

#include <pthread.h>
#include <string.h>

#define INPUT_MAX   (1u << 30)
#define OUTPUT_MAX  ((size_t)4 << 30)
#define THREADS_MAX 64

struct row {
	const char *text, *pair;
	size_t len, pair_len;
};

struct part {
	pthread_t thread;
	const struct tokenizer *tokenizer;
	const struct row *rows;
	size_t n, max_length;
	struct buf out;
	int r;
};

static const char *take_field(const char **p, const char *end, size_t *ret_len)
{
	int64_t len;
	const char *field;

	if (end - *p < (ptrdiff_t)sizeof(len))
		return NULL;
	memcpy(&len, *p, sizeof(len));
	*p += sizeof(len);
	if (len < 0 || len > end - *p)
		return NULL;
	field = *p;
	*p += len;
	*ret_len = (size_t)len;
	return field;
}

static size_t parse_rows(const struct buf *in, struct row **ret)
{
	const char *p = in->data, *end = p + in->len;
	struct row *rows = NULL, row;
	size_t n = 0, cap = 0;

	while (p < end && (row.text = take_field(&p, end, &row.len)) != NULL) {
		row.pair = take_field(&p, end, &row.pair_len);
		if (n == cap) {
			cap = cap ? 2 * cap : 1024;
			rows = realloc(rows, cap * sizeof(*rows));
			if (!rows)
				abort();
		}
		rows[n++] = row;
	}
	*ret = rows;
	return n;
}

static void *encode_part(void *arg)
{
	struct part *p = arg;
	OWN(tokenizer_scratch_freep) struct tokenizer_scratch *s = tokenizer_scratch_new();

	for (size_t i = 0; i < p->n && p->r >= 0; i++) {
		const struct row *row = &p->rows[i];
		struct encoding e;
		int32_t head[2];

		p->r = s ? tokenizer_encode(p->tokenizer, s, row->text, row->len, row->pair,
					    row->pair_len, p->max_length, &e)
			 : -ENOMEM;
		if (p->r < 0)
			break;
		head[0] = (int32_t)e.n;
		head[1] = e.truncated;
		buf_put(&p->out, head, sizeof(head));
		buf_put(&p->out, e.ids, e.n * sizeof(*e.ids));
		p->r = buf_put(&p->out, e.type_ids, e.n);
	}
	return NULL;
}

static int write_parts(const char *path, struct part *parts, size_t n)
{
	OWN(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	for (size_t i = 0; i < n; i++) {
		if (fd < 0 || parts[i].r < 0 ||
		    fd_write_all(fd, parts[i].out.data, parts[i].out.len) < 0)
			return -1;
		buf_done(&parts[i].out);
	}
	return 0;
}

int main(int argc, char **argv)
{
	OWN(tokenizer_freep) struct tokenizer *t = NULL;
	OWN(buf_done) struct buf in = BUF_INIT(INPUT_MAX);
	OWN(freep) struct row *rows = NULL;
	struct part parts[THREADS_MAX] = {0};
	struct err e = {0};
	int64_t t0 = clock_mono_us(), t1, t2;
	size_t n, threads, done = 0;

	if (argc != 6 || (threads = strtoul(argv[3], NULL, 10)) < 1 || threads > THREADS_MAX)
		return 2;
	if (tokenizer_load(argv[1], &t, &e) < 0 || file_read(AT_FDCWD, argv[4], &in, &e) < 0) {
		fprintf(stderr, "error: %s\n", e.msg);
		return 1;
	}
	n = parse_rows(&in, &rows);
	t1 = clock_mono_us();
	for (size_t i = 0; i < threads; i++) {
		size_t end = n * (i + 1) / threads;

		parts[i] = (struct part){.tokenizer = t,
					 .rows = rows + done,
					 .n = end - done,
					 .max_length = strtoul(argv[2], NULL, 10),
					 .out = BUF_INIT(OUTPUT_MAX)};
		done = end;
		if (pthread_create(&parts[i].thread, NULL, encode_part, &parts[i]) != 0)
			return 1;
	}
	for (size_t i = 0; i < threads; i++)
		pthread_join(parts[i].thread, NULL);
	t2 = clock_mono_us();
	if (write_parts(argv[5], parts, threads) < 0)
		return 1;
	printf("{\"rows\": %zu, \"load_s\": %.6f, \"encode_s\": %.6f, \"vocab_size\": %zu, "
	       "\"model_max_length\": %zu}\n",
	       n, (double)(t1 - t0) / 1e6, (double)(t2 - t1) / 1e6, tokenizer_vocab_size(t),
	       tokenizer_model_max_length(t));
	return 0;
}
