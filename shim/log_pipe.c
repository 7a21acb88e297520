/* SPDX-License-Identifier: MIT */
/*
 * Moves bytes from the pipe to the log with splice(2), up to the room that log_cap.c reports. Bytes
 * that cannot be written are counted.
 */
#include "shim/log_pipe.h"

#include "base/fileio.h"
#include "base/own.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define DROP_BYTES 65536 /* bytes of one read */

int log_pipe_open(struct log_pipe *p, int *ret_write_fd, struct err *reterr)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(reterr, errno, "make a pipe for the log");
	*p = (struct log_pipe){.fd = ends[0]};
	*ret_write_fd = ends[1];
	/* O_NONBLOCK for our end alone. A program that opens the pipe for reading takes its own
	 * output away. */
	if (fcntl(p->fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(reterr, errno, "make a pipe for the log");
	return 0;
}

static int64_t waiting_bytes(const struct log_pipe *p)
{
	int n;

	return ioctl(p->fd, FIONREAD, &n) < 0 ? 0 : n;
}

static int64_t drop(struct log_pipe *p, int64_t max, int cause)
{
	char trash[DROP_BYTES];
	ssize_t n = read(p->fd, trash, max < DROP_BYTES ? (size_t)max : DROP_BYTES);

	if (n > 0) {
		p->lost_bytes += n;
		p->lost_errno = cause;
	}
	return n;
}

/* Report the lost bytes in the log. True if the line was written. This line may pass the cap. */
static bool tell_lost(struct log_pipe *p, const struct log_cap *log, int64_t at)
{
	char text[160];
	int n;

	n = snprintf(text, sizeof(text),
		     "\n[trainyard: %" PRId64 " bytes of the log were lost: %s]\n", p->lost_bytes,
		     strerror(p->lost_errno));
	if (pwrite(log->fd, text, (size_t)n, at) == n)
		p->lost_bytes = 0;
	return !p->lost_bytes;
}

/* Bytes that left the pipe; 0: none, try again; negative: the pipe was empty. */
static int64_t move_some(struct log_pipe *p, struct log_cap *log, int64_t max)
{
	int64_t at, room = log_cap_room(log, &at, NULL);
	ssize_t n;

	if (room < 0)
		return drop(p, max, (int)-room);
	if (p->lost_bytes)
		return tell_lost(p, log, at) ? 0 : drop(p, max, p->lost_errno);
	n = splice(p->fd, NULL, log->fd, &at, (size_t)(max < room ? max : room), SPLICE_F_NONBLOCK);
	if (n >= 0 || errno == EAGAIN)
		return n > 0 ? n : -1;
	return errno == EINTR ? 0 : drop(p, max, errno);
}

static void move(struct log_pipe *p, struct log_cap *log, int64_t max)
{
	while (max > 0) {
		int64_t here = waiting_bytes(p), n;

		if (here == 0)
			return;
		n = move_some(p, log, here < max ? here : max);
		if (n < 0)
			return;
		max -= n;
	}
}

void log_pipe_move(struct log_pipe *p, struct log_cap *log)
{
	struct pollfd ended = {.fd = p->fd, .events = POLLIN};

	move(p, log, LOG_PIPE_TURN_BYTES);
	if (poll(&ended, 1, 0) > 0 && ended.revents == POLLHUP)
		close(TAKE_FD(p->fd));
}

void log_pipe_close(struct log_pipe *p, struct log_cap *log)
{
	int64_t at;

	if (p->fd >= 0) {
		move(p, log, waiting_bytes(p));
		close(TAKE_FD(p->fd));
	}
	if (p->lost_bytes && log_cap_room(log, &at, NULL) > 0)
		(void)tell_lost(p, log, at);
}
