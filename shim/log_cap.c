/* SPDX-License-Identifier: MIT */
#include "shim/log_cap.h"

#include "base/beneath.h"
#include "base/fileio.h"
#include "base/own.h"
#include "wire/execution.h"

#include <linux/falloc.h>
#include <stdio.h>
#include <sys/stat.h>

#define BLOCK	    INT64_C(4096)
#define LOG_GAP_TMP EXECUTION_LOG_GAP ".tmp"
#define FAST_GROWTH 8 /* an eighth of the cap between two looks */

int log_cap_open(struct log_cap *c, int dirfd, int64_t max_bytes, struct err *reterr)
{
	*c = (struct log_cap){.dirfd = dirfd, .fd = -1, .max_bytes = max_bytes};
	if (max_bytes && max_bytes < LOG_CAP_MIN_BYTES)
		c->max_bytes = LOG_CAP_MIN_BYTES;
	c->gap_from = c->gap_to = c->max_bytes / 4 / BLOCK * BLOCK;
	c->fd = openat(dirfd, EXECUTION_LOG,
		       O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	if (c->fd < 0)
		return err_errno(reterr, errno, "open %s", EXECUTION_LOG);
	return 0;
}

/* Atomic, but not durable: after a power loss the gap may be larger than it says, and zeros are
 * read there. */
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

static int punch(const struct log_cap *c, int64_t to)
{
	return fallocate(c->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, c->gap_to,
			 to - c->gap_to) < 0
		       ? -errno
		       : 0;
}

/* The file says what is gone before it goes; on a full disk the other way round, because the hole
 * is what makes room for the file. */
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

int log_cap_check(struct log_cap *c, struct err *reterr)
{
	struct stat st;
	int64_t grown;
	int r;

	if (c->fd < 0 || !c->max_bytes)
		return 0;
	if (fstat(c->fd, &st) < 0)
		return err_errno(reterr, errno, "look at %s", EXECUTION_LOG);
	grown = st.st_size - c->seen_bytes;
	c->seen_bytes = st.st_size;
	if (st.st_size - (c->gap_to - c->gap_from) > c->max_bytes) {
		r = gap_move(c, (st.st_size - c->max_bytes / 2) / BLOCK * BLOCK);
		if (r == -EOPNOTSUPP || r == -ENOSYS) {
			unlinkat(c->dirfd, EXECUTION_LOG_GAP, 0);
			log_cap_close(c);
			return err_errno(reterr, EOPNOTSUPP, "cap %s", EXECUTION_LOG);
		}
		if (r < 0)
			return err_errno(reterr, -r, "cap %s", EXECUTION_LOG);
	}
	return grown > c->max_bytes / FAST_GROWTH;
}

void log_cap_close(struct log_cap *c)
{
	if (c->fd >= 0)
		close(TAKE_FD(c->fd));
}
