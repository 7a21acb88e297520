/* SPDX-License-Identifier: MIT */
/*
 * Requests ranges ahead, gives them out in order, and repeats a range from the byte at which it
 * broke off.
 */
#include "transfer/s3/reader.h"

#include "base/own.h"

#include <string.h>

#define TRIES_MAX 8 /* without a new byte */

static int chunk_over(struct slot *s, struct err *reterr);

static void reader_request(struct reader *r, struct slot *s)
{
	s->over = chunk_over;
	s->owner = r;
	s3_get_object(&s->s3, &r->source->bucket, r->o.key, s->offset, s->expected, r->o.etag,
		      pump_write_memory);
	pump_send(s);
}

static int chunk_over(struct slot *s, struct err *reterr)
{
	struct reader *r = s->owner;
	const struct aws_call *c = &s->s3.call;

	if (c->result >= 0 && s->got == s->expected) {
		r->buffers[s->part].busy = false;
		return 0;
	}
	if (c->result >= 0) {
		r->source->t->failure_code = "transfer_failed";
		return err_set(reterr, ERR_CORRUPT, "s3://%s/%s ended too early",
			       r->source->bucket.name, r->o.key);
	}
	if (s->io_errno || c->kind != AWS_ERROR_TRANSIENT || c->result == -ERR_CANCELLED ||
	    (s->got == 0 && ++r->tries >= TRIES_MAX)) {
		r->source->changed = s3_problem_of(&s->s3) == S3_CHANGED;
		return pump_why(s, reterr);
	}
	s->memory += s->got;
	s->offset += s->got;
	s->expected -= s->got;
	s->counted -= s->got;
	s3_call_done(&s->s3);
	reader_request(r, s);
	return 0;
}

/* Request the next ranges, as many as there are free buffers. */
static void ask_ahead(struct reader *r)
{
	for (int i = 0; i < r->buffers_n && r->asked < r->o.size; i++) {
		struct slot *s;

		if (r->buffers[i].busy || r->buffers[i].len > 0)
			continue;
		s = pump_slot(r->source->pump);
		if (!s)
			return;
		r->buffers[i].offset = s->offset = r->asked;
		r->buffers[i].len = s->expected =
			r->o.size - r->asked < r->chunk ? r->o.size - r->asked : r->chunk;
		r->buffers[i].busy = true;
		r->asked += s->expected;
		s->memory = r->buffers[i].data;
		s->part = i;
		reader_request(r, s);
	}
}

int reader_open(struct reader *r, struct s3_source *src, const struct s3_object *o, int64_t chunk,
		int ahead, struct err *reterr)
{
	*r = (struct reader){.source = src, .o = *o, .chunk = chunk, .buffers_n = ahead};
	checksum_begin(&r->sum, o);
	for (int i = 0; i < ahead; i++) {
		r->buffers[i].data = malloc((size_t)(o->size < chunk ? o->size + 1 : chunk));
		if (!r->buffers[i].data) {
			reader_close(r);
			return err_errno(reterr, ENOMEM, "download '%s'", o->key);
		}
	}
	ask_ahead(r);
	return 0;
}

ssize_t reader_next(struct reader *r, const void **ret, struct err *reterr)
{
	int code = 0;

	/* the last buffer that was returned is free now */
	for (int i = 0; i < r->buffers_n; i++)
		if (r->buffers[i].len && r->buffers[i].offset < r->given)
			r->buffers[i].len = 0;
	if (r->given == r->o.size)
		return 0;
	ask_ahead(r);
	while (code >= 0) {
		for (int i = 0; i < r->buffers_n; i++) {
			if (!r->buffers[i].len || r->buffers[i].busy ||
			    r->buffers[i].offset != r->given)
				continue;
			*ret = r->buffers[i].data;
			r->given += r->buffers[i].len;
			checksum_add(&r->sum, r->buffers[i].data, (size_t)r->buffers[i].len);
			return r->buffers[i].len;
		}
		code = pump_turn(r->source->pump, reterr);
	}
	return code;
}

int reader_check(struct reader *r, struct err *reterr)
{
	const void *data;
	ssize_t n;

	do
		n = reader_next(r, &data, reterr);
	while (n > 0);
	if (n < 0)
		return (int)n;
	if (checksum_end(&r->sum) != CHECKSUM_DIFFERS)
		return 0;
	r->source->t->failure_code = "data_corrupt";
	return err_set(reterr, ERR_CORRUPT,
		       "the downloaded bytes of s3://%s/%s do not have the checksum that S3 keeps",
		       r->source->bucket.name, r->o.key);
}

void reader_close(struct reader *r)
{
	pump_drain(r->source->pump);
	checksum_done(&r->sum);
	for (int i = 0; i < r->buffers_n; i++)
		free(TAKE(r->buffers[i].data));
}
