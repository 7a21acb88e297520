/* SPDX-License-Identifier: MIT */
/*
 * Computes the room that is left in the log, and makes the hole: by punching, or by writing the
 * file again if the file system cannot punch.
 */
#include "shim/log_cap.h"

#include "base/beneath.h"
#include "base/fileio.h"
#include "base/own.h"
#include "wire/execution.h"

#include <linux/falloc.h>
#include <stdio.h>
#include <sys/stat.h>

#define BLOCK	    ((int64_t)LOG_CAP_BLOCK_BYTES)
#define LOG_GAP_TMP EXECUTION_LOG_GAP ".tmp"
#define FAST_GROWTH 8 /* fast growth: an eighth of the cap between two checks */

int log_cap_open(struct log_cap *c, int dirfd, int64_t max_bytes, struct err *reterr)
{
	*c = (struct log_cap){.dirfd = dirfd, .fd = -1, .max_bytes = max_bytes};
	if (max_bytes && max_bytes < LOG_CAP_MIN_BYTES)
		c->max_bytes = LOG_CAP_MIN_BYTES;
	c->max_bytes = c->max_bytes / BLOCK * BLOCK;
	c->gap_from = c->gap_to = c->max_bytes / 4 / BLOCK * BLOCK;
	c->fd = openat(dirfd, EXECUTION_LOG, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		       0640);
	if (c->fd < 0)
		return err_errno(reterr, errno, "open %s", EXECUTION_LOG);
	return 0;
}

/* Write DIR/log.gap, atomic but not durable. After a power loss the real hole may be larger than
 * the file says; its bytes read as zeros. */
static int gap_write(const struct log_cap *c, int64_t to)
{
	OWN(closep) int fd = -1;
	char text[128];
	int r = beneath_create(c->dirfd, LOG_GAP_TMP, 0640, &fd, NULL);
	int n = snprintf(text, sizeof(text), "{\"v\":%d,\"from\":%lld,\"to\":%lld}\n", WIRE_VERSION,
			 (long long)c->gap_from, (long long)to);

	if (r >= 0)
		r = fd_write_all(fd, text, (size_t)n);
	if (r >= 0)
		r = beneath_rename(c->dirfd, LOG_GAP_TMP, EXECUTION_LOG_GAP, NULL);
	return r;
}

/* Punch from the hole's start each time: if the file system's blocks are larger than ours, this
 * frees the block at the old end, too. */
static int punch(const struct log_cap *c, int64_t to)
{
	return fallocate(c->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, c->gap_from,
			 to - c->gap_from) < 0
		       ? -errno
		       : 0;
}

/* Move the hole's end. The gap file is written before the punch; on a full disk after it, because
 * the punch frees the space for the file. */
static int gap_move(struct log_cap *c, int64_t to)
{
	int r = gap_write(c, to);

	if (r == -ENOSPC || r == -EDQUOT) {
		r = punch(c, to);
		if (r >= 0)
			r = gap_write(c, to);
	} else if (r >= 0) {
		r = punch(c, to);
	}
	if (r >= 0)
		c->gap_to = to;
	return r;
}

static int64_t newest(int64_t size, int64_t keep)
{
	return (size - keep) / BLOCK * BLOCK;
}

/* Truncate the file to its first quarter and write the newest part again at its offset. If the disk
 * is full by then, that part is lost and reads as zeros. */
static int rewrite(struct log_cap *c, int64_t size)
{
	int64_t keep = c->max_bytes / 2, to;
	OWN(freep) char *text = NULL;
	ssize_t n;
	int r;

	to = newest(size, keep < LOG_CAP_COPY_BYTES ? keep : LOG_CAP_COPY_BYTES);
	text = malloc((size_t)(size - to));
	n = text ? pread(c->fd, text, (size_t)(size - to), to) : -1;
	if (n < 0)
		return -errno;
	r = gap_write(c, to);
	if (r < 0)
		return r;
	if (ftruncate(c->fd, c->gap_from) < 0)
		return -errno;
	c->gap_to = to;
	return pwrite(c->fd, text, (size_t)n, to) == n ? 0 : -EIO;
}

/* Shrink a file of `size` bytes to its first quarter and its newest half. */
static int cut(struct log_cap *c, int64_t size, struct err *reterr)
{
	int r = gap_move(c, newest(size, c->max_bytes / 2));

	if (r == -EOPNOTSUPP || r == -ENOSYS)
		r = rewrite(c, size);
	return r < 0 ? err_errno(reterr, -r, "limit the size of %s", EXECUTION_LOG) : 0;
}

static int64_t room_of(const struct log_cap *c, int64_t size)
{
	return c->max_bytes + (c->gap_to - c->gap_from) - size;
}

/* The file's size, or an error. If the program has truncated the file into the hole, the hole is
 * forgotten. */
static int64_t look(struct log_cap *c, struct err *reterr)
{
	struct stat st;

	if (fstat(c->fd, &st) < 0)
		return err_errno(reterr, errno, "look at %s", EXECUTION_LOG);
	if (st.st_size < c->gap_to && c->gap_to > c->gap_from) {
		c->gap_to = c->gap_from;
		unlinkat(c->dirfd, EXECUTION_LOG_GAP, 0);
	}
	return st.st_size;
}

int64_t log_cap_room(struct log_cap *c, int64_t *ret_offset, struct err *reterr)
{
	int64_t size = look(c, reterr);
	int r;

	if (size < 0)
		return size;
	*ret_offset = size;
	if (!c->max_bytes)
		return INT64_MAX;
	if (room_of(c, size) <= 0) {
		r = cut(c, size, reterr);
		if (r < 0)
			return r;
	}
	return room_of(c, size);
}

int log_cap_check(struct log_cap *c, struct err *reterr)
{
	int64_t size, grown;

	if (!c->max_bytes)
		return 0;
	size = look(c, reterr);
	if (size < 0)
		return (int)size;
	grown = size - c->seen_bytes;
	c->seen_bytes = size;
	if (room_of(c, size) < 0) {
		int r = cut(c, size, reterr);

		if (r < 0)
			return r;
	}
	return grown > c->max_bytes / FAST_GROWTH;
}

void log_cap_close(struct log_cap *c)
{
	if (c->fd >= 0)
		close(TAKE_FD(c->fd));
}
