/* SPDX-License-Identifier: MIT */
/* Reads raw blocks and inflates them here, because zlib's gzread ignores bytes after a member. */
#include "worker/dataset/input.h"

#include "base/encoding.h"
#include "base/own.h"
#include "base/roots.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define INPUT_BLOCK    262144
#define GZIP_WINDOW    (15 + 16) /* the largest, with the gzip frame around it */
#define GZIP_MAGIC     "\x1f\x8b"
#define GZIP_MAGIC_LEN 2

struct gzip {
	z_stream z;
	unsigned char raw[INPUT_BLOCK];
	bool in_member;
	int64_t members; /* that have ended */
};

/* Read bytes of the file into buf. 0: the end. */
static ssize_t read_raw(struct input *in, void *buf, struct err *reterr)
{
	ssize_t n;

	if (in->fd < 0)
		return 0;
	do
		n = read(in->fd, buf, INPUT_BLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(reterr, errno, "read %s", in->path);
	in->offset += n;
	return n;
}

/* ---- gzip ---- */

/* Make the first bytes, which are in the block, the raw ones. */
static int start_gzip(struct input *in, struct err *reterr)
{
	struct gzip *gz = calloc(1, sizeof(*gz));

	if (!gz)
		return err_errno(reterr, ENOMEM, "read %s", in->path);
	if (inflateInit2(&gz->z, GZIP_WINDOW) != Z_OK) {
		free(gz);
		return err_errno(reterr, ENOMEM, "read %s", in->path);
	}
	memcpy(gz->raw, in->block, in->n);
	gz->z.next_in = gz->raw;
	gz->z.avail_in = (uInt)in->n;
	gz->in_member = true;
	in->gz = gz;
	return 0;
}

/* 1: there are raw bytes, 0: the end of the file. */
static int more_raw(struct input *in, struct err *reterr)
{
	struct gzip *gz = in->gz;
	ssize_t n;

	if (gz->z.avail_in)
		return 1;
	n = read_raw(in, gz->raw, reterr);
	if (n <= 0)
		return (int)n;
	gz->z.next_in = gz->raw;
	gz->z.avail_in = (uInt)n;
	return 1;
}

/* Skip zeros after a member. 0: the end follows; 1: another member. */
static int next_member(struct input *in, struct err *reterr)
{
	struct gzip *gz = in->gz;
	int r;

	while ((r = more_raw(in, reterr)) > 0 && !*gz->z.next_in) {
		gz->z.next_in++;
		gz->z.avail_in--;
	}
	if (r <= 0)
		return r;
	inflateReset(&gz->z);
	gz->in_member = true;
	return 1;
}

static int not_gzip(const struct input *in, const char *reason, struct err *reterr)
{
	const struct gzip *gz = in->gz;

	if (gz->members && gz->z.total_in <= GZIP_MAGIC_LEN)
		reason = "there are bytes behind its end, neither another member nor zeros";
	return err_set(reterr, ERR_CORRUPT, "%s is not a whole gzip file: %s", in->path, reason);
}

/* Inflate one step into the free part of the block. 1: go on. 0: the end of the file. */
static int inflate_some(struct input *in, struct err *reterr)
{
	struct gzip *gz = in->gz;
	int r = gz->in_member ? more_raw(in, reterr) : next_member(in, reterr);

	if (r == 0 && gz->in_member)
		return not_gzip(in, "the file ends too early", reterr);
	if (r <= 0)
		return r;
	switch (inflate(&gz->z, Z_NO_FLUSH)) {
	case Z_STREAM_END:
		gz->in_member = false;
		gz->members++;
		return 1;
	case Z_OK:
	case Z_BUF_ERROR: /* more raw bytes are needed */
		return 1;
	case Z_MEM_ERROR:
		return err_errno(reterr, ENOMEM, "read %s", in->path);
	default:
		break;
	}
	return not_gzip(in, gz->z.msg ? gz->z.msg : "it is damaged", reterr);
}

static int fill_gzip(struct input *in, struct err *reterr)
{
	struct gzip *gz = in->gz;
	int r;

	gz->z.next_out = (unsigned char *)in->block;
	gz->z.avail_out = INPUT_BLOCK;
	do
		r = inflate_some(in, reterr);
	while (r > 0 && gz->z.avail_out);
	in->n = INPUT_BLOCK - gz->z.avail_out;
	return r < 0 ? r : in->n > 0;
}

/* ---- the file ---- */

static int open_file(struct input *in, struct err *reterr)
{
	struct stat st;

	in->fd = roots_open(AT_FDCWD, in->path, O_RDONLY, reterr);
	if (in->fd < 0)
		return in->fd;
	if (fstat(in->fd, &st) < 0)
		return err_errno(reterr, errno, "read %s", in->path);
	if (!S_ISREG(st.st_mode))
		return err_errno(reterr, S_ISDIR(st.st_mode) ? EISDIR : EINVAL, "read %s",
				 in->path);
	in->size = st.st_size;
	in->block = malloc(INPUT_BLOCK);
	return in->block ? 0 : err_errno(reterr, ENOMEM, "read %s", in->path);
}

/* Refuse a beginning that is no UTF-8 text, and skip a byte order mark. */
static int check_start(struct input *in, struct err *reterr)
{
	const char *problem = encoding_problem(in->block, in->n);

	if (problem)
		return err_set(reterr, ERR_INVALID, "%s is %s", in->path, problem);
	if (in->n >= 3 && memcmp(in->block, UTF8_MARK, 3) == 0)
		in->at = 3;
	return 0;
}

int input_open_bytes(struct input *in, const char *name, const char *bytes, size_t len,
		     struct err *reterr)
{
	*in = (struct input){.path = name, .fd = -1, .n = len};
	in->block = malloc(len + 1);
	if (!in->block)
		return err_errno(reterr, ENOMEM, "read %s", name);
	memcpy(in->block, bytes, len);
	return check_start(in, reterr);
}

int input_open(struct input *in, const char *path, struct err *reterr)
{
	int r;

	*in = (struct input){.path = path, .fd = -1};
	r = open_file(in, reterr);
	if (r >= 0)
		r = input_fill(in, reterr);
	if (r >= 0 && in->n >= GZIP_MAGIC_LEN && memcmp(in->block, GZIP_MAGIC, GZIP_MAGIC_LEN) == 0)
		r = start_gzip(in, reterr);
	if (r >= 0 && in->gz)
		r = input_fill(in, reterr);
	return r < 0 ? r : check_start(in, reterr);
}

int input_fill(struct input *in, struct err *reterr)
{
	ssize_t n;

	in->at = in->n = 0;
	if (in->gz)
		return fill_gzip(in, reterr);
	n = read_raw(in, in->block, reterr);
	if (n > 0)
		in->n = (size_t)n;
	return n < 0 ? (int)n : n > 0;
}

double input_fraction(const struct input *in)
{
	const struct gzip *gz = in->gz;
	int64_t at = in->offset - (gz ? (int64_t)gz->z.avail_in : 0);

	return in->size > 0 ? (double)at / (double)in->size : 0;
}

void input_close(struct input *in)
{
	if (in->gz)
		inflateEnd(&in->gz->z);
	free(in->gz);
	free(in->block);
	if (in->path) /* otherwise it was never opened */
		closep(&in->fd);
	*in = (struct input){0};
}
