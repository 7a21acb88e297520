/* SPDX-License-Identifier: MIT */
/*
 * Fills buffers, sends each as a part of a multipart upload, and completes it. An object that fits
 * into one buffer is one PUT.
 */
#include "transfer/s3/stream.h"

#include "base/own.h"
#include "base/str.h"
#include "transfer/s3/checksum.h"

#include <string.h>

#define BUFFERS_MAX 4

struct buffer {
	char *data;
	size_t len;
	bool busy; /* True if its part is under way */
};

struct stream {
	struct put *put;
	const char *key, *made_of;
	int64_t part_bytes;
	struct buffer buffers[BUFFERS_MAX], *now;
	int buffers_n;
	char id[S3_UPLOAD_ID_MAX]; /* "": no upload has begun, all bytes are in `now` */
	struct s3_part *parts;
	int parts_n;
};

int stream_open(struct put *put, const char *key, const char *made_of, int64_t max_bytes,
		struct stream **ret, struct err *reterr)
{
	struct stream *s;
	int64_t part = checksum_part_bytes(max_bytes);

	if (!part || part > STREAM_PART_MAX)
		return err_set(reterr, ERR_LIMIT,
			       "the directory is too large for one tar.gz (at most %lld GiB); push "
			       "it as a tree",
			       (long long)(STREAM_PART_MAX * S3_PARTS_MAX >> 30));
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_errno(reterr, ENOMEM, "upload '%s'", key);
	s->put = put;
	s->key = key;
	s->made_of = made_of;
	s->part_bytes = part;
	s->buffers_n = (int)(STREAM_BUFFERS_BYTES / part);
	if (s->buffers_n > BUFFERS_MAX)
		s->buffers_n = BUFFERS_MAX;
	s->parts = calloc(S3_PARTS_MAX, sizeof(*s->parts)); /* pages are allocated on first use */
	*ret = s;
	if (s->parts)
		return 0;
	stream_free(s);
	*ret = NULL;
	return err_errno(reterr, ENOMEM, "upload '%s'", key);
}

/* ---- the upload behind it ---- */

/* List the parts of an earlier attempt. If that upload has ended, s->id becomes "". 0 or the
 * error. */
static int list_parts(struct stream *s, struct err *reterr)
{
	int after = 0, r;

	do {
		struct slot *slot = pump_slot(s->put->pump);

		s3_list_parts(&slot->s3, &s->put->bucket, s->key, s->id, after);
		r = pump_call(slot, reterr);
		if (r >= 0)
			r = s3_list_parts_result(&slot->s3, s->parts, S3_PARTS_MAX, &after, reterr);
		else if (s3_problem_of(&slot->s3) == S3_NO_UPLOAD)
			r = *s->id = '\0';
		pump_release(slot);
	} while (r >= 0 && after);
	return r;
}

static int create(struct stream *s, struct err *reterr)
{
	struct slot *slot;
	int r = 0;

	if (put_take_pending(s->put, s->key, s->id))
		r = list_parts(s, reterr);
	if (r < 0 || *s->id)
		return r;
	slot = pump_slot(s->put->pump);
	s3_multipart_create(&slot->s3, &s->put->bucket, s->key, s->part_bytes, s->made_of);
	r = pump_call(slot, reterr);
	if (r >= 0)
		r = s3_multipart_create_result(&slot->s3, s->id, reterr);
	pump_release(slot);
	return r;
}

static int part_over(struct slot *slot, struct err *reterr)
{
	struct stream *s = slot->owner;
	struct s3_part *part = &s->parts[slot->part];

	for (int i = 0; i < s->buffers_n; i++)
		if (s->buffers[i].data == slot->s3.call.body)
			s->buffers[i].busy = false;
	if (slot->s3.call.result < 0)
		return pump_why(slot, reterr);
	s3_base64_of_hex(slot->sha256, part->sha256);
	return s3_etag_result(&slot->s3, part->etag, reterr);
}

/* Send the buffer's bytes as the next part. */
static int send_part(struct stream *s, struct err *reterr)
{
	struct s3_body body = {.data = s->now->data, .len = s->now->len};
	struct s3_part *part = &s->parts[s->parts_n];
	char sum[S3_CHECKSUM_MAX];
	struct slot *slot;
	int r = *s->id ? 0 : create(s, reterr);

	if (r < 0)
		return r;
	if (s->parts_n == S3_PARTS_MAX)
		return err_set(reterr, ERR_LIMIT, "'%s' has more than %d parts", s->key,
			       S3_PARTS_MAX);
	slot = pump_slot(s->put->pump);
	slot->owner = s;
	slot->part = s->parts_n++;
	hash_bytes(body.data, body.len, slot->sha256);
	s3_base64_of_hex(slot->sha256, sum);
	if (part->size == (int64_t)body.len && str_eq(part->sha256, sum)) {
		pump_release(slot); /* the same part of an earlier attempt */
		s->now->len = 0;
		return 0;
	}
	body.sha256_hex = slot->sha256;
	slot->over = part_over;
	s3_upload_part(&slot->s3, &s->put->bucket, s->key, s->id, slot->part + 1, &body);
	s->now->busy = true;
	pump_send(slot);
	return 0;
}

/* Take a free buffer. There are fewer buffers than slots. */
static int next_buffer(struct stream *s, struct err *reterr)
{
	int r = 0;

	s->now = NULL;
	while (r >= 0) {
		for (int i = 0; i < s->buffers_n && !s->now; i++)
			if (!s->buffers[i].busy)
				s->now = &s->buffers[i];
		if (s->now)
			break;
		r = pump_turn(s->put->pump, reterr);
	}
	if (r < 0)
		return r;
	s->now->len = 0;
	if (!s->now->data)
		s->now->data = malloc((size_t)s->part_bytes);
	return s->now->data ? 0 : err_errno(reterr, ENOMEM, "upload '%s'", s->key);
}

int stream_write(struct stream *s, const char *data, size_t len, struct err *reterr)
{
	while (len) {
		size_t room;
		int r = s->now ? 0 : next_buffer(s, reterr);

		if (r >= 0 && s->now->len == (size_t)s->part_bytes) {
			r = send_part(s, reterr);
			if (r >= 0)
				r = next_buffer(s, reterr);
		}
		if (r < 0)
			return r;
		room = (size_t)s->part_bytes - s->now->len;
		if (room > len)
			room = len;
		memcpy(s->now->data + s->now->len, data, room);
		s->now->len += room;
		data += room;
		len -= room;
	}
	return 0;
}

/* ---- the end ---- */

/* S3 does not know the upload any more: an answer was lost, or another process ended it. */
static int look_again(struct stream *s, int r, struct err *reterr)
{
	struct slot *slot = pump_slot(s->put->pump);
	struct s3_object o;
	struct err e;

	s3_head_object(&slot->s3, &s->put->bucket, s->key);
	if (pump_call(slot, &e) >= 0 && s3_object_result(&slot->s3, &o, &e) >= 0 &&
	    str_eq(o.made_of, s->made_of))
		r = 0;
	pump_release(slot);
	return r;
}

static int complete(struct stream *s, struct err *reterr)
{
	struct slot *slot = pump_slot(s->put->pump);
	bool gone;
	int r;

	s3_multipart_complete(&slot->s3, &s->put->bucket, s->key, s->id, s->parts, s->parts_n);
	r = pump_call(slot, reterr);
	if (r >= 0)
		r = s3_multipart_complete_result(&slot->s3, reterr);
	gone = s3_problem_of(&slot->s3) == S3_NO_UPLOAD;
	pump_release(slot);
	if (gone)
		r = look_again(s, r, reterr);
	if (r >= 0)
		*s->id = '\0';
	return r;
}

static int put_whole(struct stream *s, struct err *reterr)
{
	struct slot *slot = pump_slot(s->put->pump);
	struct s3_body body = {.data = s->now->data, .len = s->now->len};
	int r;

	hash_bytes(body.data, body.len, slot->sha256);
	body.sha256_hex = slot->sha256;
	s3_put_object(&slot->s3, &s->put->bucket, s->key, &body, s->made_of);
	r = pump_call(slot, reterr);
	pump_release(slot);
	return r;
}

int stream_finish(struct stream *s, struct err *reterr)
{
	int r = s->now ? 0 : next_buffer(s, reterr);

	if (r >= 0 && !*s->id)
		return put_whole(s, reterr);
	if (r >= 0 && s->now->len)
		r = send_part(s, reterr);
	while (r >= 0 && s->put->pump->flying)
		r = pump_turn(s->put->pump, reterr);
	return r < 0 ? r : complete(s, reterr);
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	pump_drain(s->put->pump);
	if (*s->id)
		put_abort(s->put, s->key, s->id);
	for (int i = 0; i < s->buffers_n; i++)
		free(s->buffers[i].data);
	free(s->parts);
	free(s);
}
