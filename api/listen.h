/* SPDX-License-Identifier: MIT */
/* Opens the two listening sockets. api/server.c calls this at the start. */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Listen on "ADDR:PORT", a loopback address or localhost. The caller owns *ret_fd. `host` gets the
 * address without brackets, *ret_port the port in use. Errors as in api_start(). */
int listen_tcp(const char *listen_at, int *ret_fd, char *host, size_t host_size, uint16_t *ret_port,
	       struct err *reterr) MUSTCHECK;
/* As listen_tcp(), for a listening socket that somebody else has opened. */
int listen_passed(int fd, char *host, size_t host_size, uint16_t *ret_port,
		  struct err *reterr) MUSTCHECK;
/* Listen on a unix socket of mode 0660; a stale socket is replaced. -EADDRINUSE if a process
 * listens there. */
int listen_unix(const char *path, int *ret_fd, struct err *reterr) MUSTCHECK;
