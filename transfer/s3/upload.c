/* SPDX-License-Identifier: MIT */
/*
 * The steps of an upload: look at an object that exists, begin or resume, send parts, complete, and
 * check that the file did not change.
 */
#include "transfer/s3/upload.h"

#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "transfer/s3/checksum.h"

#include <fcntl.h>
#include <string.h>

int upload_new(struct put *put, const char *path, const char *key, struct upload **ret,
	       struct err *reterr)
{
	struct upload *u = calloc(1, sizeof(*u));

	if (!u)
		return err_errno(reterr, ENOMEM, "upload '%s'", path);
	u->put = put;
	u->path = strdup(path);
	u->key = strdup(key);
	u->fd = roots_open(AT_FDCWD, path, O_RDONLY, reterr);
	if (u->fd < 0) {
		int r = u->fd;

		upload_free(u);
		return r;
	}
	if (fstat(u->fd, &u->st) < 0) {
		int e = errno;

		upload_free(u);
		return err_errno(reterr, e, "read '%s'", path);
	}
	u->part_bytes = checksum_part_bytes(u->st.st_size);
	if (!S_ISREG(u->st.st_mode) || !u->part_bytes) {
		upload_free(u);
		return err_set(reterr, ERR_INVALID,
			       "'%s' is not a regular file, or is larger than S3 can hold", path);
	}
	u->parts_n = checksum_parts_n(u->st.st_size, u->part_bytes);
	u->state = put->occupied ? UPLOAD_LOOK : UPLOAD_BEGIN;
	*ret = u;
	return 0;
}

void upload_free(struct upload *u)
{
	if (u->fd >= 0)
		close(u->fd);
	free(u->path);
	free(u->key);
	free(u->parts);
	free(u);
}

static int upload_fail(struct slot *s, struct err *reterr)
{
	const struct upload *u = s->owner;
	int r = pump_why(s, reterr);

	return err_ctx(reterr, r, "cannot upload '%s'", u->path);
}

/* ---- an object that is there already ---- */

static int looked(struct slot *s, struct err *reterr)
{
	enum checksum_answer answer = CHECKSUM_DIFFERS;
	struct upload *u = s->owner;
	struct s3_object o;
	int r = 0;

	u->state = UPLOAD_BEGIN;
	if (s3_problem_of(&s->s3) == S3_NO_KEY || s3_problem_of(&s->s3) == S3_DENIED)
		return 0; /* without permission to check, send */
	if (s->s3.call.result < 0)
		return upload_fail(s, reterr);
	r = s3_object_result(&s->s3, &o, reterr);
	if (r >= 0)
		r = checksum_compare(u->fd, u->st.st_size, &o, &answer, reterr);
	if (r >= 0 && answer == CHECKSUM_SAME) {
		u->state = UPLOAD_OVER;
		u->put->skipped++;
		transfer_moved(u->put->t, u->st.st_size);
	}
	return r;
}

/* ---- the parts ---- */

/* Check that no other writer changed the file during the upload. */
static int check_unchanged(const struct upload *u, struct err *reterr)
{
	struct stat now;

	if (fstat(u->fd, &now) < 0)
		return err_errno(reterr, errno, "read '%s'", u->path);
	if (now.st_size != u->st.st_size || now.st_mtim.tv_sec != u->st.st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != u->st.st_mtim.tv_nsec)
		return err_set(reterr, ERR_CONFLICT, "'%s' was changed during the upload", u->path);
	return 0;
}

static int64_t part_len(const struct upload *u, int part)
{
	int64_t left = u->st.st_size - part * u->part_bytes;

	return left < u->part_bytes ? left : u->part_bytes;
}

static int part_done(struct upload *u, struct err *reterr)
{
	if (++u->parts_done < u->parts_n)
		return 0;
	u->state = UPLOAD_FINISH;
	return check_unchanged(u, reterr);
}

static int body_over(struct slot *s, struct err *reterr)
{
	struct upload *u = s->owner;
	int r;

	if (s->s3.call.result < 0)
		return upload_fail(s, reterr);
	if (!u->parts) {
		u->state = UPLOAD_OVER;
		return 0;
	}
	r = s3_etag_result(&s->s3, u->parts[s->part].etag, reterr);
	if (r < 0)
		return r;
	s3_base64_of_hex(s->sha256, u->parts[s->part].sha256);
	return part_done(u, reterr);
}

/* Hash the part and send it. 1: sent; 0: an earlier attempt has sent the same. */
static int send_body(struct upload *u, struct slot *s, int part, struct err *reterr)
{
	struct s3_body body = {.read = pump_read_file, .sha256_hex = s->sha256};
	char sum[S3_CHECKSUM_MAX];
	int r;

	s->fd = u->fd;
	s->offset = part * u->part_bytes;
	s->part = part;
	body.len = (size_t)part_len(u, part);
	r = checksum_range(u->fd, s->offset, (int64_t)body.len, s->sha256, reterr);
	if (r < 0)
		return err_ctx(reterr, r, "cannot upload '%s'", u->path);
	if (!body.len)
		body.data = "";
	s->over = body_over;
	if (!u->parts) {
		s3_put_object(&s->s3, &u->put->bucket, u->key, &body, NULL);
	} else {
		s3_base64_of_hex(s->sha256, sum);
		if (u->parts[part].size == (int64_t)body.len &&
		    str_eq(u->parts[part].sha256, sum)) {
			transfer_moved(u->put->t, (int64_t)body.len);
			return part_done(u, reterr);
		}
		s3_upload_part(&s->s3, &u->put->bucket, u->key, u->id, part + 1, &body);
	}
	pump_send(s);
	return 1;
}

static int step_parts(struct upload *u, struct slot *s, struct err *reterr)
{
	while (u->state == UPLOAD_PARTS && u->parts_next < u->parts_n) {
		int r = send_body(u, s, u->parts_next++, reterr);

		if (r == 0)
			r = transfer_stopped(u->put->t, reterr);
		if (r != 0)
			return r;
	}
	return 0;
}

/* ---- begin and end of a multipart upload ---- */

static int created(struct slot *s, struct err *reterr)
{
	struct upload *u = s->owner;

	if (s->s3.call.result < 0)
		return upload_fail(s, reterr);
	u->state = UPLOAD_PARTS;
	return s3_multipart_create_result(&s->s3, u->id, reterr);
}

static int listed(struct slot *s, struct err *reterr)
{
	struct upload *u = s->owner;
	int r;

	if (s->s3.call.result < 0 && s3_problem_of(&s->s3) == S3_NO_UPLOAD) {
		*u->id = '\0';
		u->state = UPLOAD_BEGIN;
		return 0;
	}
	if (s->s3.call.result < 0)
		return upload_fail(s, reterr);
	r = s3_list_parts_result(&s->s3, u->parts, u->parts_n, &u->list_after, reterr);
	u->state = u->list_after ? UPLOAD_LIST : UPLOAD_PARTS;
	return r;
}

static int finished(struct slot *s, struct err *reterr)
{
	struct upload *u = s->owner;
	int r;

	/* an answer was lost, or another attempt completed it: check the object */
	if (s3_problem_of(&s->s3) == S3_NO_UPLOAD && !u->looked_again) {
		u->looked_again = true;
		*u->id = '\0';
		u->state = UPLOAD_LOOK;
		return 0;
	}
	if (s->s3.call.result < 0)
		return upload_fail(s, reterr);
	r = s3_multipart_complete_result(&s->s3, reterr);
	if (r < 0)
		return err_ctx(reterr, r, "cannot upload '%s'", u->path);
	*u->id = '\0';
	u->state = UPLOAD_OVER;
	return 0;
}

static int begin(struct upload *u, struct slot *s, struct err *reterr)
{
	u->state = UPLOAD_WAIT;
	if (u->parts_n == 1)
		return send_body(u, s, 0, reterr);
	free(u->parts);
	u->parts = calloc((size_t)u->parts_n, sizeof(*u->parts));
	if (!u->parts)
		return err_errno(reterr, ENOMEM, "upload '%s'", u->path);
	u->parts_next = u->parts_done = 0;
	if (put_take_pending(u->put, u->key, u->id)) {
		u->state = UPLOAD_LIST;
		return upload_step(u, s, reterr);
	}
	s->over = created;
	s3_multipart_create(&s->s3, &u->put->bucket, u->key, u->part_bytes, NULL);
	pump_send(s);
	return 1;
}

int upload_step(struct upload *u, struct slot *s, struct err *reterr)
{
	s->owner = u;
	switch (u->state) {
	case UPLOAD_LOOK:
		s->over = looked;
		s3_head_object(&s->s3, &u->put->bucket, u->key);
		break;
	case UPLOAD_BEGIN:
		return begin(u, s, reterr);
	case UPLOAD_LIST:
		s->over = listed;
		s3_list_parts(&s->s3, &u->put->bucket, u->key, u->id, u->list_after);
		break;
	case UPLOAD_PARTS: {
		int r = step_parts(u, s, reterr);

		if (r != 0 || u->state != UPLOAD_FINISH)
			return r;
		return upload_step(u, s, reterr);
	}
	case UPLOAD_FINISH:
		s->over = finished;
		s3_multipart_complete(&s->s3, &u->put->bucket, u->key, u->id, u->parts, u->parts_n);
		break;
	case UPLOAD_WAIT:
	case UPLOAD_OVER:
		return 0;
	}
	u->state = UPLOAD_WAIT;
	pump_send(s);
	return 1;
}
