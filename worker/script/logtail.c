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

void logtail_read(struct logtail *t, bool last, logtail_line_fn fn, void *userdata)
{
	char chunk[CHUNK];
	ssize_t n;

	while ((n = pread(t->fd, chunk, sizeof(chunk), t->at)) > 0) {
		size_t done = 0;

		t->at += n;
		while (done < (size_t)n)
			done += take(t, chunk + done, (size_t)n - done, fn, userdata);
	}
	if (last)
		flush(t, fn, userdata);
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
