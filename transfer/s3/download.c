/* SPDX-License-Identifier: MIT */
/* The download of one object to one file. */
#include "transfer/s3/download.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "transfer/s3/checksum.h"
#include "transfer/s3/part_file.h"

#include <string.h>
#include <sys/stat.h>

#define TRIES_MAX 8 /* of one range, without a new byte */

enum download_state {
	DOWNLOAD_LOOK, /* ask for checksums and the part size */
	DOWNLOAD_WHOLE,
	DOWNLOAD_PARTS,
	DOWNLOAD_WAIT,
	DOWNLOAD_OVER,
};

struct download {
	struct s3_source *source;
	enum download_state state;
	char *path;
	struct s3_object o;
	struct part_file file;
	int parts_next, parts_done, tries;
};

static int open_place(struct download *d, const char *path, struct err *reterr)
{
	OWN(freep) char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;
	int r = 0;

	d->path = strdup(path);
	if (!slash || !d->path)
		return err_errno(reterr, ENOMEM, "download '%s'", path);
	*slash = '\0';
	if (*dir)
		r = roots_make_dir(dir, 0755, reterr);
	if (r > 0)
		close(r);
	return r < 0 ? r : 0;
}

int download_new(struct s3_source *src, const struct s3_object *o, const char *path,
		 struct download **ret, struct err *reterr)
{
	struct download *d = calloc(1, sizeof(*d));
	struct stat st;
	int r;

	if (!d)
		return err_errno(reterr, ENOMEM, "download '%s'", path);
	d->source = src;
	d->o = *o;
	d->file = PART_FILE_NONE;
	r = open_place(d, path, reterr);
	if (r >= 0 && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
		r = err_set(reterr, ERR_CONFLICT,
			    "'%s' is a directory, so s3://%s/%s cannot become that file", path,
			    src->bucket.name, o->key);
	if (r < 0) {
		download_free(d);
		return r;
	}
	/* If a file of this size exists, or if the object comes in parts, ask for its checksums
	 * first. */
	d->state = o->size > PART_BYTES || (lstat(path, &st) == 0 && st.st_size == o->size)
			   ? DOWNLOAD_LOOK
			   : DOWNLOAD_WHOLE;
	*ret = d;
	return 0;
}

void download_free(struct download *d)
{
	if (!download_is_over(d) && !part_file_has_any(&d->file))
		part_file_remove(&d->file);
	part_file_close(&d->file);
	free(d->path);
	free(d);
}

bool download_is_over(const struct download *d)
{
	return d->state == DOWNLOAD_OVER;
}

static int download_fail(struct slot *s, struct err *reterr)
{
	struct download *d = s->owner;

	if (s3_problem_of(&s->s3) == S3_CHANGED)
		d->source->changed = true;
	return pump_why(s, reterr);
}

/* ---- the end of it ---- */

/* The file is complete and correct: set its time, and its name now or after a sync. */
static int finish(struct download *d, struct err *reterr)
{
	struct s3_source *src = d->source;
	int fd = part_file_take(&d->file, d->o.modified_us);

	d->state = DOWNLOAD_OVER;
	if (src->durable) {
		/* start the write-out now; the sync comes after other files were received */
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
		if (src->unsynced_n == DOWNLOAD_UNSYNCED_MAX) {
			int r = download_settle(src, reterr);

			if (r < 0) {
				close(fd);
				return r;
			}
		}
		src->unsynced[src->unsynced_n].fd = fd;
		src->unsynced[src->unsynced_n].from = strdup(d->file.path);
		src->unsynced[src->unsynced_n++].to = strdup(d->path);
		return 0;
	}
	close(fd);
	if (rename(d->file.path, d->path) < 0)
		return err_errno(reterr, errno, "put '%s' in place", d->path);
	return 0;
}

/* Sync the directory of `path` and all directories above, because they may be new. Those of `done`
 * are already synced. */
static int sync_above(const char *path, const char *done, struct err *reterr)
{
	OWN(freep) char *dir = strdup(path);
	bool own = true;

	for (char *slash; dir && (slash = strrchr(dir, '/')) && slash != dir; own = false) {
		size_t n = (size_t)(slash - dir);
		int r;

		*slash = '\0';
		if (done && strncmp(done, dir, n) == 0 && done[n] == '/')
			return 0;
		r = dir_sync(AT_FDCWD, dir);
		if (r < 0) /* a directory that we may not read is not one of ours */
			return own ? err_errno(reterr, -r, "sync the directory of '%s'", path) : 0;
	}
	return dir ? 0 : err_errno(reterr, ENOMEM, "sync the directory of '%s'", path);
}

int download_settle(struct s3_source *src, struct err *reterr)
{
	const char *done = NULL;
	int r = 0;

	for (int i = 0; i < src->unsynced_n; i++) {
		const char *from = src->unsynced[i].from, *to = src->unsynced[i].to;

		if (r >= 0 && fdatasync(src->unsynced[i].fd) < 0)
			r = err_errno(reterr, errno, "write '%s'", to);
		if (r >= 0 && rename(from, to) < 0)
			r = err_errno(reterr, errno, "put '%s' in place", to);
		close(src->unsynced[i].fd);
	}
	for (int i = 0; i < src->unsynced_n; i++) {
		if (r >= 0)
			r = sync_above(src->unsynced[i].to, done, reterr);
		done = src->unsynced[i].to;
	}
	for (int i = 0; i < src->unsynced_n; i++) {
		free(src->unsynced[i].from);
		free(src->unsynced[i].to);
	}
	src->unsynced_n = 0;
	return r;
}

static int damaged(struct download *d, struct err *reterr)
{
	part_file_remove(&d->file);
	d->source->t->failure_code = "data_corrupt";
	return err_set(reterr, ERR_CORRUPT,
		       "the downloaded bytes of s3://%s/%s do not have the checksum that S3 keeps",
		       d->source->bucket.name, d->o.key);
}

static int check_and_finish(struct download *d, struct err *reterr)
{
	const struct part_file *f = &d->file;
	enum checksum_answer answer = CHECKSUM_UNKNOWN;
	int r = 0;

	if (f->parts_n > 1)
		answer = checksum_of_parts(&d->o, f->sums, f->parts_n, f->part_bytes);
	if (answer == CHECKSUM_UNKNOWN)
		r = checksum_compare(f->fd, d->o.size, &d->o, &answer, reterr);

	if (r < 0)
		return r;
	return answer == CHECKSUM_DIFFERS ? damaged(d, reterr) : finish(d, reterr);
}

/* ---- answers ---- */

/* *ret: true if the existing file is the object. If no checksum is known, S3's time decides. */
static int is_there(struct download *d, bool *ret, struct err *reterr)
{
	enum checksum_answer answer = CHECKSUM_DIFFERS;
	OWN(closep) int fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int r = 0;

	*ret = false;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	r = checksum_compare(fd, st.st_size, &d->o, &answer, reterr);
	*ret = answer == CHECKSUM_SAME || (answer == CHECKSUM_UNKNOWN && d->o.modified_us &&
					   st.st_mtim.tv_sec == d->o.modified_us / 1000000);
	return r;
}

static int looked(struct slot *s, struct err *reterr)
{
	struct download *d = s->owner;
	struct s3_object o;
	bool there;
	int r;

	if (s->s3.call.result < 0)
		return download_fail(s, reterr);
	r = s3_object_result(&s->s3, &o, reterr);
	if (r < 0)
		return r;
	if (!str_eq(o.etag, d->o.etag)) {
		d->source->changed = true;
		d->source->t->failure_code = "transfer_failed";
		return err_set(reterr, ERR_CONFLICT,
			       "s3://%s/%s was replaced while it was downloaded",
			       d->source->bucket.name, d->o.key);
	}
	str_assign(o.key, d->o.key);
	d->o = o;
	r = is_there(d, &there, reterr);
	if (r < 0)
		return r;
	if (there) {
		d->state = DOWNLOAD_OVER;
		d->source->skipped++;
		transfer_moved(d->source->t, o.size);
		return 0;
	}
	d->state = o.size > PART_BYTES ? DOWNLOAD_PARTS : DOWNLOAD_WHOLE;
	if (d->state == DOWNLOAD_PARTS)
		r = part_file_open(&d->file, d->path, &o, PART_BYTES, reterr);
	return r;
}

/* Ask for the rest after the answer broke off. 1: asked; 0: it is complete; negative: the
 * failure. */
static int go_on(struct slot *s, struct err *reterr)
{
	struct download *d = s->owner;
	const struct aws_call *c = &s->s3.call;
	bool fresh = s->got > 0;

	if (c->result >= 0 && s->got == s->expected)
		return 0;
	if (c->result >= 0) {
		d->source->t->failure_code = "transfer_failed";
		return err_set(reterr, ERR_CORRUPT, "s3://%s/%s ended too early",
			       d->source->bucket.name, d->o.key);
	}
	if (s->io_errno || c->kind != AWS_ERROR_TRANSIENT || c->result == -ERR_CANCELLED ||
	    (!fresh && ++d->tries >= TRIES_MAX))
		return download_fail(s, reterr);
	s->offset += s->got;
	s->expected -= s->got;
	s->counted -= s->got;
	s3_call_done(&s->s3);
	s3_get_object(&s->s3, &d->source->bucket, d->o.key, s->offset, s->expected, d->o.etag,
		      pump_write_file);
	pump_send(s);
	return 1;
}

static int whole_over(struct slot *s, struct err *reterr)
{
	struct download *d = s->owner;
	struct s3_object o;
	int r = go_on(s, reterr);

	if (r != 0)
		return r < 0 ? r : 0;
	/* a complete answer has the checksums */
	if (!*d->o.sha256 && s3_object_result(&s->s3, &o, reterr) >= 0 && o.size == d->o.size) {
		memcpy(o.key, d->o.key, sizeof(o.key));
		o.modified_us = d->o.modified_us ? d->o.modified_us : o.modified_us;
		d->o = o;
	}
	return check_and_finish(d, reterr);
}

static int part_over(struct slot *s, struct err *reterr)
{
	struct download *d = s->owner;
	int r = go_on(s, reterr);

	if (r != 0)
		return r < 0 ? r : 0;
	r = part_file_note(&d->file, s->part, reterr);
	if (r >= 0 && ++d->parts_done == d->file.parts_n)
		r = check_and_finish(d, reterr);
	return r;
}

/* ---- what to ask next ---- */

static int ask_whole(struct download *d, struct slot *s, struct err *reterr)
{
	int r = part_file_open(&d->file, d->path, &d->o, d->o.size + 1, reterr);

	if (r < 0)
		return r;
	d->state = DOWNLOAD_WAIT;
	s->over = whole_over;
	s->fd = d->file.fd;
	s->expected = d->o.size;
	s3_get_object(&s->s3, &d->source->bucket, d->o.key, 0, -1, d->o.etag, pump_write_file);
	pump_send(s);
	return 1;
}

static int ask_part(struct download *d, struct slot *s, struct err *reterr)
{
	struct part_file *f = &d->file;

	while (d->parts_next < f->parts_n && part_file_has(f, d->parts_next)) {
		transfer_moved(d->source->t, part_file_len(f, d->parts_next++));
		if (++d->parts_done == f->parts_n)
			return check_and_finish(d, reterr);
	}
	if (d->parts_next == f->parts_n)
		return 0;
	s->part = d->parts_next++;
	s->over = part_over;
	s->fd = f->fd;
	s->offset = s->part * f->part_bytes;
	s->expected = part_file_len(f, s->part);
	s3_get_object(&s->s3, &d->source->bucket, d->o.key, s->offset, s->expected, d->o.etag,
		      pump_write_file);
	pump_send(s);
	return 1;
}

int download_step(struct download *d, struct slot *s, struct err *reterr)
{
	s->owner = d;
	switch (d->state) {
	case DOWNLOAD_LOOK:
		d->state = DOWNLOAD_WAIT;
		s->over = looked;
		s3_head_object(&s->s3, &d->source->bucket, d->o.key);
		pump_send(s);
		return 1;
	case DOWNLOAD_WHOLE:
		return ask_whole(d, s, reterr);
	case DOWNLOAD_PARTS:
		return ask_part(d, s, reterr);
	case DOWNLOAD_WAIT:
	case DOWNLOAD_OVER:
		break;
	}
	return 0;
}
