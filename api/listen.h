/* SPDX-License-Identifier: MIT */
/* The two listening sockets. */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Listen on "ADDR:PORT", a loopback address (or localhost). *ret_fd is the caller's; the address
 * without brackets and the port in use come back. Errors as of api_start. */
int listen_tcp(const char *listen_at, int *ret_fd, char *host, size_t host_size, uint16_t *ret_port,
	       struct err *reterr) MUSTCHECK;
/* Listen on a unix socket of mode 0660, replacing a stale one. -EADDRINUSE: somebody listens there.
 */
int listen_unix(const char *path, int *ret_fd, struct err *reterr) MUSTCHECK;
