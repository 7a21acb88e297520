/* SPDX-License-Identifier: MIT */
/*
 * The server of DIR/control.sock (wire/control.h). It has few clients, reads one message of each at
 * a time and never blocks. If all places are taken, a new client replaces the one that was silent
 * longest.
 */
#pragma once

#include "base/err.h"
#include "wire/control.h"

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#define SERVER_CLIENTS_MAX 8
#define SERVER_POLL_MAX	   (SERVER_CLIENTS_MAX + 1)

/* Answer one valid request. Returns a new reference, which the server frees. */
typedef json_t *(*server_answer_fn)(const struct control_request *req, void *userdata);

struct shim_server {
	int dirfd;     /* borrowed */
	int listen_fd; /* -1: closed */
	struct {
		int fd; /* -1: free */
		int64_t heard_us;
	} clients[SERVER_CLIENTS_MAX];
};

/* Bind and listen, with mode 0600. An old socket of that name is removed. `dirfd` is borrowed until
 * server_close(). */
int server_open(struct shim_server *s, int dirfd, struct err *reterr) MUSTCHECK;
/* Fill at most SERVER_POLL_MAX entries for poll(2). Returns their number. */
size_t server_poll_fill(const struct shim_server *s, struct pollfd *fds);
/* Serve the results of poll(2). `fds` and `n` are those of server_poll_fill(). */
void server_poll_done(struct shim_server *s, const struct pollfd *fds, size_t n,
		      server_answer_fn answer, void *userdata);
/* Remove the socket and close everything. */
void server_close(struct shim_server *s);
