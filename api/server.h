/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server; daemon/main.c calls this. One libmicrohttpd pool serves TCP, one thread serves
 * the unix socket. The server reads the database through read-only connections and changes state
 * only by commands to the manager.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define API_THREADS_DEFAULT	2
#define API_THREADS_MAX		32
#define API_CONNECTIONS_DEFAULT 512
#define API_BODY_MAX_DEFAULT	(8 << 20)  /* bytes of a JSON body */
#define API_BODIES_MAX_DEFAULT	(64 << 20) /* bytes of all bodies together */
#define API_FOLLOWERS_MAX	64	   /* open `follow=1` replies; one more is refused (429) */
#define API_URL_MAX		4096	   /* bytes of path and query; longer: 414 */
#define API_WATCHERS_MAX	1024	   /* open streams of events; one more is refused (429) */
#define API_WAIT_MAX_S		60	   /* seconds of a long poll */

struct api;
struct manager;

/* api_start() copies all strings. */
struct api_config {
	/* "127.0.0.1:8470", "[::1]:0", "localhost:8470"; port 0 selects a free port */
	const char *listen;
	const char *socket_path;  /* unix socket, created with mode 0660; NULL or "": none */
	int tcp_fd, unix_fd;	  /* listening sockets in place of these two, which the server owns
				   * from now on; -1: none */
	const char *data_dir;	  /* directory of the database */
	const char *version;	  /* version of the program */
	int threads;		  /* threads for TCP; 0: API_THREADS_DEFAULT */
	int connections_max;	  /* for TCP and the unix socket each; 0: API_CONNECTIONS_DEFAULT */
	int connections_per_peer; /* of one address or process; 0: no limit */
	size_t body_max_bytes;	  /* 0: API_BODY_MAX_DEFAULT */
	size_t bodies_max_bytes;  /* 0: API_BODIES_MAX_DEFAULT; at least twice the largest body */
};

/* Open both sockets and start serving. The database must exist (after store_open()), and `e` must
 * outlive the server. A stale unix socket is replaced. -EADDRINUSE: another process listens there.
 * -ERR_INVALID: not a numeric address and port. -ERR_UNSUPPORTED: not a loopback address, because
 * there is no TLS and no token. Also -EACCES and other errno values. */
int api_start(const struct api_config *cfg, struct manager *e, struct api **ret,
	      struct err *reterr) MUSTCHECK;
const char *api_url(const struct api *api); /* "http://127.0.0.1:8470", for messages; borrowed */

/* Stop accepting, finish pending replies (new requests get 503), end followers and long polls, and
 * close. Blocks for some seconds. Each command's and invocation's `done` must have run or must
 * still be able to run. So call this from another thread while the manager's thread runs, or after
 * the manager has answered all of them (with -ERR_UNAVAILABLE). Calls feed_expire(USEC_NEVER) until
 * no request waits, so the feed must still exist. NULL is allowed.
 *
 * Returns false if a request still waits for the manager. The server's threads then continue; `api`
 * and the manager must not be freed. Call again after the manager has answered, or end the process
 * with _exit(). */
bool api_stop(struct api *api) MUSTCHECK;
