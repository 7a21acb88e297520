/* SPDX-License-Identifier: MIT */
/*
 * The listening side of DIR/control.sock (wire/control.h): a few clients, one message each at a
 * time, never blocking. A new client beyond the limit takes the place of the longest silent one.
 */
#pragma once

#include "base/err.h"
#include "wire/control.h"

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#define SERVER_CLIENTS_MAX 8
#define SERVER_POLL_MAX	   (SERVER_CLIENTS_MAX + 1)

/* Answers one valid request: a new reference. */
typedef json_t *(*server_answer_fn)(const struct control_request *req, void *userdata);

struct shim_server {
	int dirfd;     /* borrowed */
	int listen_fd; /* -1: closed */
	struct {
		int fd; /* -1: free */
		int64_t heard_us;
	} clients[SERVER_CLIENTS_MAX];
};

/* Bind and listen, mode 0600; an old socket of that name is removed. */
int server_open(struct shim_server *s, int dirfd, struct err *reterr) MUSTCHECK;
/* What to wait for: fills at most SERVER_POLL_MAX entries, returns how many. */
size_t server_poll_fill(const struct shim_server *s, struct pollfd *fds);
/* Serve what poll(2) found in the entries that server_poll_fill made. */
void server_poll_done(struct shim_server *s, const struct pollfd *fds, size_t n,
		      server_answer_fn answer, void *userdata);
/* Remove the socket and close everything. */
void server_close(struct shim_server *s);
