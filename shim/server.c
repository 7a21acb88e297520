/* SPDX-License-Identifier: MIT */
/* Accepts clients of the control socket, and reads and answers one message of each in turn. */
#include "shim/server.h"

#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "wire/execution.h"

#include <string.h>
#include <sys/stat.h>

#define LISTEN_BACKLOG 8

int server_open(struct shim_server *s, int dirfd, struct err *reterr)
{
	OWN(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr;
	socklen_t len;
	int r;

	*s = (struct shim_server){.dirfd = dirfd, .listen_fd = -1};
	for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++)
		s->clients[i].fd = -1;
	if (fd < 0)
		return err_errno(reterr, errno, "make a socket");
	unlinkat(dirfd, EXECUTION_CONTROL, 0);
	r = socket_address(dirfd, EXECUTION_CONTROL, &addr, &len);
	/* The socket's mode before bind(2) is the file's mode from its first moment. */
	if (r >= 0 && (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 ||
		       listen(fd, LISTEN_BACKLOG) < 0))
		r = -errno;
	if (r < 0)
		return err_errno(reterr, -r, "listen on %s", EXECUTION_CONTROL);
	s->listen_fd = TAKE_FD(fd);
	return 0;
}

size_t server_poll_fill(const struct shim_server *s, struct pollfd *fds)
{
	size_t n = 0;

	if (s->listen_fd < 0)
		return 0;
	fds[n++] = (struct pollfd){.fd = s->listen_fd, .events = POLLIN};
	for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++)
		if (s->clients[i].fd >= 0)
			fds[n++] = (struct pollfd){.fd = s->clients[i].fd, .events = POLLIN};
	return n;
}

/* A free place, or that of the client that was silent longest. */
static size_t place_find(const struct shim_server *s)
{
	size_t oldest = 0;

	for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++) {
		if (s->clients[i].fd < 0)
			return i;
		if (s->clients[i].heard_us < s->clients[oldest].heard_us)
			oldest = i;
	}
	return oldest;
}

static void client_accept(struct shim_server *s)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	size_t place;

	if (fd < 0)
		return;
	place = place_find(s);
	if (s->clients[place].fd >= 0)
		close(s->clients[place].fd);
	s->clients[place].fd = fd;
	s->clients[place].heard_us = clock_mono_us();
}

static json_t *reply_make(const char *text, size_t len, server_answer_fn answer, void *userdata)
{
	struct control_request req;
	struct err e;

	if (control_request_parse(text, len, &req, &e) < 0)
		return control_reply_error(e.msg);
	return answer(&req, userdata);
}

/* Read one message and answer it. False if the client is gone. */
static bool client_serve(int fd, server_answer_fn answer, void *userdata)
{
	char text[EXECUTION_CONTROL_MAX + 1]; /* the extra byte shows a message that is too long */
	OWN(json_decrefp) json_t *reply = NULL;
	OWN(freep) char *out = NULL;
	ssize_t n = recv(fd, text, sizeof(text), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	reply = reply_make(text, (size_t)n, answer, userdata);
	out = reply ? json_text(reply) : NULL;
	return out && send(fd, out, strlen(out), MSG_NOSIGNAL) >= 0;
}

void server_poll_done(struct shim_server *s, const struct pollfd *fds, size_t n,
		      server_answer_fn answer, void *userdata)
{
	for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++) {
		for (size_t j = 1; j < n && s->clients[i].fd >= 0; j++) {
			if (fds[j].fd != s->clients[i].fd || !fds[j].revents)
				continue;
			s->clients[i].heard_us = clock_mono_us();
			if (!client_serve(s->clients[i].fd, answer, userdata))
				close(TAKE_FD(s->clients[i].fd));
		}
	}
	if (n && fds[0].revents)
		client_accept(s);
}

void server_close(struct shim_server *s)
{
	if (s->listen_fd < 0)
		return;
	unlinkat(s->dirfd, EXECUTION_CONTROL, 0);
	close(TAKE_FD(s->listen_fd));
	for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++)
		if (s->clients[i].fd >= 0)
			close(TAKE_FD(s->clients[i].fd));
}
