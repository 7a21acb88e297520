/* SPDX-License-Identifier: MIT */
/*
 * Opens both files, keeps the parts whose noted hash is right, and renames the complete file to its
 * place.
 */
#include "transfer/s3/part_file.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "transfer/s3/checksum.h"

#include <string.h>
#include <sys/stat.h>

#define HEAD_LEN   256 /* bytes of "v1 ETAG SIZE PART_BYTES", padded with spaces, and a newline */
#define RECORD_LEN 65  /* bytes of a SHA-256 in hex and a newline */

static bool make_names(struct part_file *f, const char *final_path)
{
	const char *name = strrchr(final_path, '/');
	char sum[HASH_SHA1_HEX_LEN];
	int dir_len = (int)(name - final_path);

	/* a short name, however long the file's own name is */
	hash_sha1(name, strlen(name), sum);
	return str_format(f->path, sizeof(f->path), "%.*s/.trainyard-%.16s.part", dir_len,
			  final_path, sum) &&
	       str_format(f->notes_path, sizeof(f->notes_path), "%.*s/.trainyard-%.16s.notes",
			  dir_len, final_path, sum);
}

static void head_of(const struct part_file *f, const struct s3_object *o, char head[HEAD_LEN + 1])
{
	int n;

	memset(head, ' ', HEAD_LEN);
	n = snprintf(head, HEAD_LEN, "v1 %s %lld %lld", o->etag, (long long)f->size,
		     (long long)f->part_bytes);
	head[n] = ' '; /* an etag has at most S3_ETAG_MAX bytes */
	head[HEAD_LEN - 1] = '\n';
	head[HEAD_LEN] = '\0';
}

/* Keep the part on disk if its hash is the noted one. */
static void take_over(struct part_file *f, int part)
{
	char record[RECORD_LEN], hex[HASH_HEX_LEN];

	if (pread(f->notes_fd, record, RECORD_LEN, HEAD_LEN + (off_t)part * RECORD_LEN) !=
		    RECORD_LEN ||
	    record[RECORD_LEN - 1] != '\n')
		return;
	if (checksum_range(f->fd, part * f->part_bytes, part_file_len(f, part), hex, NULL) < 0)
		return;
	if (memcmp(hex, record, RECORD_LEN - 1) == 0)
		memcpy(f->sums[part], hex, HASH_HEX_LEN);
}

static int open_notes(struct part_file *f, const struct s3_object *o, struct err *reterr)
{
	char head[HEAD_LEN + 1], old[HEAD_LEN];
	int r;

	f->notes_fd = open(f->notes_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (f->notes_fd < 0)
		return err_errno(reterr, errno, "write '%s'", f->notes_path);
	r = roots_check(f->notes_fd, f->notes_path, reterr);
	if (r < 0)
		return r;
	head_of(f, o, head);
	if (pread(f->notes_fd, old, HEAD_LEN, 0) == HEAD_LEN && memcmp(head, old, HEAD_LEN) == 0) {
		for (int i = 0; i < f->parts_n; i++)
			take_over(f, i);
		return 0;
	}
	if (ftruncate(f->notes_fd, 0) < 0 || pwrite(f->notes_fd, head, HEAD_LEN, 0) != HEAD_LEN)
		return err_errno(reterr, errno, "write '%s'", f->notes_path);
	return 0;
}

/* Reserve the space, so that a disk that is too small fails at once. */
static int reserve(struct part_file *f, struct err *reterr)
{
	if (ftruncate(f->fd, f->size) < 0)
		return err_errno(reterr, errno, "write '%s'", f->path);
	if (f->size > 0 && fallocate(f->fd, 0, 0, f->size) < 0 &&
	    (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
		return err_errno(reterr, errno, "reserve %lld bytes for '%s'", (long long)f->size,
				 f->path);
	return 0;
}

int part_file_open(struct part_file *f, const char *final_path, const struct s3_object *o,
		   int64_t part_bytes, struct err *reterr)
{
	int r;

	f->size = o->size;
	f->part_bytes = part_bytes;
	f->parts_n = checksum_parts_n(o->size, part_bytes);
	if (!make_names(f, final_path))
		return err_errno(reterr, ENAMETOOLONG, "write '%s'", final_path);
	f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	f->sums = calloc((size_t)f->parts_n, sizeof(*f->sums));
	if (f->fd < 0 || !f->sums)
		return err_errno(reterr, f->fd < 0 ? errno : ENOMEM, "write '%s'", f->path);
	r = roots_check(f->fd, f->path, reterr);
	if (r >= 0 && f->parts_n > 1)
		r = reserve(f, reterr);
	if (r >= 0 && f->parts_n > 1)
		r = open_notes(f, o, reterr);
	else if (r >= 0 && ftruncate(f->fd, 0) < 0)
		r = err_errno(reterr, errno, "write '%s'", f->path);
	if (r < 0)
		part_file_remove(f);
	return r;
}

void part_file_close(struct part_file *f)
{
	closep(&f->fd);
	closep(&f->notes_fd);
	free(f->sums);
	f->sums = NULL;
	f->fd = f->notes_fd = -1;
}

bool part_file_has(const struct part_file *f, int part)
{
	return *f->sums[part];
}

bool part_file_has_any(const struct part_file *f)
{
	for (int i = 0; f->sums && i < f->parts_n; i++)
		if (part_file_has(f, i))
			return true;
	return false;
}

int64_t part_file_len(const struct part_file *f, int part)
{
	int64_t left = f->size - part * f->part_bytes;

	return left < f->part_bytes ? left : f->part_bytes;
}

int part_file_note(struct part_file *f, int part, struct err *reterr)
{
	char record[HASH_HEX_LEN];
	int r = checksum_range(f->fd, part * f->part_bytes, part_file_len(f, part), record, reterr);

	if (r < 0)
		return r;
	memcpy(f->sums[part], record, HASH_HEX_LEN);
	record[RECORD_LEN - 1] = '\n';
	if (pwrite(f->notes_fd, record, RECORD_LEN, HEAD_LEN + (off_t)part * RECORD_LEN) !=
	    RECORD_LEN)
		return err_errno(reterr, errno, "write '%s'", f->notes_path);
	return 0;
}

int part_file_take(struct part_file *f, int64_t modified_us)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = modified_us / 1000000}};

	if (modified_us)
		(void)futimens(f->fd, times);
	if (f->notes_fd >= 0)
		unlink(f->notes_path);
	return TAKE_FD(f->fd);
}

void part_file_remove(struct part_file *f)
{
	if (f->fd >= 0)
		unlink(f->path);
	if (f->notes_fd >= 0)
		unlink(f->notes_path);
}
