/* SPDX-License-Identifier: MIT */
/* Passes bytes on, splits them into lines, and keeps the newest ones for a failure's message. */
#include "worker/script/output.h"

#include "base/fileio.h"
#include "base/own.h"

#include <string.h>
#include <sys/ioctl.h>

#define CHUNK 65536

int output_open(struct output *o, int *ret_write_fd, struct err *reterr)
{
	int ends[2];

	*o = (struct output){.fd = -1};
	buf_init(&o->line, OUTPUT_LINE_MAX);
	buf_init(&o->tail, 2 * OUTPUT_TAIL_MAX);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(reterr, errno, "make a pipe for the script's output");
	o->fd = ends[0];
	*ret_write_fd = ends[1];
	/* O_NONBLOCK for our end alone. A script that opens the pipe for reading takes its own
	 * output away. */
	if (fcntl(o->fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(reterr, errno, "make a pipe for the script's output");
	return 0;
}

static void flush(struct output *o, output_line_fn fn, void *userdata)
{
	if (o->line.len)
		fn(userdata, o->line.data, o->line.len);
	buf_clear(&o->line);
}

/* Take the part of a chunk up to its next line end. Returns its length with the end. */
static size_t take(struct output *o, const char *p, size_t n, output_line_fn fn, void *userdata)
{
	size_t len = 0;

	while (len < n && p[len] != '\n' && p[len] != '\r')
		len++;
	if (buf_put(&o->line, p, len) < 0) {
		flush(o, fn, userdata);
		buf_put(&o->line, p, len);
	}
	if (len < n)
		flush(o, fn, userdata);
	return len < n ? len + 1 : len;
}

static void keep_tail(struct output *o, const char *p, size_t n)
{
	size_t drop;

	if (n > OUTPUT_TAIL_MAX) {
		p += n - OUTPUT_TAIL_MAX;
		n = OUTPUT_TAIL_MAX;
	}
	if (o->tail.len + n > 2 * OUTPUT_TAIL_MAX) {
		drop = o->tail.len - (OUTPUT_TAIL_MAX - n);
		memmove(o->tail.data, o->tail.data + drop, o->tail.len - drop);
		o->tail.len -= drop;
	}
	buf_put(&o->tail, p, n);
}

/* Pass on one chunk. Returns the number of its bytes. */
static size_t pass(struct output *o, output_line_fn fn, void *userdata)
{
	char chunk[CHUNK];
	ssize_t n = read(o->fd, chunk, sizeof(chunk));

	if (n == 0)
		close(TAKE_FD(o->fd));
	if (n <= 0)
		return 0;
	(void)!fd_write_all(STDOUT_FILENO, chunk, (size_t)n);
	keep_tail(o, chunk, (size_t)n);
	for (size_t done = 0; done < (size_t)n;)
		done += take(o, chunk + done, (size_t)n - done, fn, userdata);
	return (size_t)n;
}

void output_pass(struct output *o, output_line_fn fn, void *userdata)
{
	(void)pass(o, fn, userdata);
}

void output_end(struct output *o, output_line_fn fn, void *userdata)
{
	size_t done = 0, n;
	int left = 0;

	if (o->fd >= 0 && ioctl(o->fd, FIONREAD, &left) < 0)
		left = 0;
	while (o->fd >= 0 && done < (size_t)left) {
		n = pass(o, fn, userdata);
		if (!n)
			break;
		done += n;
	}
	flush(o, fn, userdata);
	if (o->fd >= 0)
		close(TAKE_FD(o->fd));
}

const char *output_tail(const struct output *o, size_t *ret_len)
{
	*ret_len = o->tail.len < OUTPUT_TAIL_MAX ? o->tail.len : OUTPUT_TAIL_MAX;
	return *ret_len ? o->tail.data + o->tail.len - *ret_len : "";
}

void output_done(struct output *o)
{
	if (o->fd >= 0)
		close(TAKE_FD(o->fd));
	buf_done(&o->line);
	buf_done(&o->tail);
}
