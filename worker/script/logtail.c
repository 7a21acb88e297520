/* SPDX-License-Identifier: MIT */
#include "worker/script/logtail.h"

#include "base/fileio.h"
#include "base/own.h"
#include "wire/execution.h"

#include <string.h>
#include <sys/stat.h>

#define CHUNK	       65536
#define LINE_MAX_BYTES 65536 /* what is longer comes in parts */

int logtail_open(struct logtail *t, int dirfd, struct err *reterr)
{
	struct stat st;

	*t = (struct logtail){.fd = openat(dirfd, EXECUTION_LOG, O_RDONLY | O_CLOEXEC)};
	buf_init(&t->line, LINE_MAX_BYTES);
	if (t->fd < 0 || fstat(t->fd, &st) < 0)
		return err_errno(reterr, errno, "read %s", EXECUTION_LOG);
	t->start = t->at = st.st_size;
	return 0;
}

static void flush(struct logtail *t, logtail_line_fn fn, void *userdata)
{
	if (t->line.len)
		fn(userdata, t->line.data, t->line.len);
	buf_clear(&t->line);
}

/* The part of a chunk up to its next line end; returns its length with the end. */
static size_t take(struct logtail *t, const char *p, size_t n, logtail_line_fn fn, void *userdata)
{
	size_t len = 0;

	while (len < n && p[len] != '\n' && p[len] != '\r')
		len++;
	if (buf_put(&t->line, p, len) < 0) {
		flush(t, fn, userdata);
		buf_put(&t->line, p, len);
	}
	if (len < n)
		flush(t, fn, userdata);
	return len < n ? len + 1 : len;
}

/* The next data of the file, not beyond a hole that the shim has punched; over one that begins
 * here. A file system that knows of no holes gives zeros. */
static ssize_t read_data(struct logtail *t, char *chunk, size_t max)
{
	off_t data = lseek(t->fd, t->at, SEEK_DATA), hole;

	if (data > t->at) {
		buf_clear(&t->line); /* its other half is gone */
		t->cut += data - t->at;
		t->at = data;
	}
	hole = lseek(t->fd, t->at, SEEK_HOLE);
	if (hole > t->at && hole - t->at < (off_t)max)
		max = (size_t)(hole - t->at);
	return pread(t->fd, chunk, max, t->at);
}

int64_t logtail_read(struct logtail *t, bool last, logtail_line_fn fn, void *userdata)
{
	char chunk[CHUNK];
	int64_t all = 0;
	ssize_t n;

	while ((last || all < LOGTAIL_READ_MAX) && (n = read_data(t, chunk, sizeof(chunk))) > 0) {
		size_t done = 0;

		t->at += n;
		all += n;
		while (done < (size_t)n)
			done += take(t, chunk + done, (size_t)n - done, fn, userdata);
	}
	if (last)
		flush(t, fn, userdata);
	return all;
}

void logtail_tail(const struct logtail *t, size_t max, struct buf *out)
{
	struct stat st;
	int64_t from = t->start;
	char *to;
	ssize_t n;

	if (fstat(t->fd, &st) < 0)
		return;
	if (st.st_size - from > (int64_t)max)
		from = st.st_size - (int64_t)max;
	to = buf_reserve(out, max);
	n = to ? pread(t->fd, to, max, from) : 0;
	if (n > 0)
		buf_added(out, (size_t)n);
}

void logtail_close(struct logtail *t)
{
	if (t->fd >= 0)
		close(TAKE_FD(t->fd));
	buf_done(&t->line);
}
