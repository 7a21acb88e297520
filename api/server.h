/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server, as daemon/main.c sees it: one libmicrohttpd pool on TCP, one thread on the unix
 * socket. It reads the database through its own read-only connections and changes things only by
 * commands to the manager.
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
#define API_FOLLOWERS_MAX	64	   /* open `follow=1` answers; one more is refused (429) */
#define API_URL_MAX		4096	   /* bytes of path and query; beyond: 414 */
#define API_WAIT_MAX_S		60	   /* of a long poll */

struct api;
struct manager;

/* All strings are copied by api_start. */
struct api_config {
	const char *listen; /* "127.0.0.1:8470", "[::1]:0", "localhost:8470"; port 0 picks one */
	const char *socket_path;  /* unix socket, made with mode 0660; NULL or "": none */
	const char *data_dir;	  /* where the database is */
	const char *version;	  /* of the program */
	int threads;		  /* for TCP; 0: API_THREADS_DEFAULT */
	int connections_max;	  /* TCP and unix socket each; 0: API_CONNECTIONS_DEFAULT */
	int connections_per_peer; /* of them, of one address or process; 0: all */
	size_t body_max_bytes;	  /* 0: API_BODY_MAX_DEFAULT */
	size_t bodies_max_bytes;  /* 0: API_BODIES_MAX_DEFAULT; at least two largest bodies */
	int idle_timeout_s;	  /* of a connection that moves no byte; 0: 60 */
};

/* Bind both sockets and start to serve; the database must exist (store_open has run) and `e` must
 * outlive the server. A stale unix socket is replaced, one that somebody listens on is not.
 * -EADDRINUSE, -ERR_INVALID (not a numeric address and port), -ERR_UNSUPPORTED (an address beyond
 * loopback: there is no TLS and no token yet), -EACCES, ... */
int api_start(const struct api_config *cfg, struct manager *e, struct api **ret,
	      struct err *reterr) MUSTCHECK;
uint16_t api_port(const struct api *api);   /* the TCP port in use */
const char *api_url(const struct api *api); /* "http://127.0.0.1:8470", for people; borrowed */

/* Stop accepting, let every answer that is due go out (new requests get 503), end followers and
 * long polls, close. Blocks for up to some seconds. The `done` of every command and invocation must
 * have run or must still be able to run: so either call it from another thread than the manager's
 * while that one lives, or after the manager has answered all of them (with -ERR_UNAVAILABLE). It
 * calls feed_expire(USEC_NEVER) itself until nobody waits; the feed must still exist. NULL is
 * allowed. False: some request still waits for the manager, and the server's threads go on; `api`
 * and the manager stay as they are and must not be freed. The caller calls again when the manager
 * has answered, or ends the process by _exit(). */
bool api_stop(struct api *api) MUSTCHECK;
