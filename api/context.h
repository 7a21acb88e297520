/* SPDX-License-Identifier: MIT */
/*
 * What all requests of one server share. Handlers read the constant part; the counters and the pool
 * of readers are behind the functions below. Thread-safe.
 */
#pragma once

#include "api/connection.h"
#include "api/server.h"
#include "storage/store_read.h"

#include <pthread.h>
#include <stdbool.h>

#define API_READERS_MAX (API_THREADS_MAX + 1)

struct MHD_Daemon;
struct acceptor;

/* One of the two doors. */
struct listener {
	struct api *api;
	struct MHD_Daemon *daemon;
	int fd;	    /* ours to close; -1: not used */
	bool local; /* the unix socket: no Host or Origin to check */
	struct connection_door door;
};

struct api {
	/* constant after api_start */
	struct manager *manager;
	char version[64];
	char host[64]; /* the listen address without the port */
	char url[96];
	uint16_t port;
	char *data_dir, *socket_path;
	size_t body_max_bytes;
	struct listener tcp, local;
	struct connections *connections;
	struct acceptor *acceptor;

	pthread_mutex_t lock;  /* all below */
	pthread_cond_t calmed; /* active or suspended went down while stopping */
	bool stopping;
	int active;    /* requests between their first byte and their last */
	int suspended; /* connections that wait for the manager or the feed */
	int followers;
	struct store_reader *readers[API_READERS_MAX]; /* idle ones */
	size_t readers_n;
};

/* A read-only connection for this thread's use until it is given back; opened when none is idle.
 * Never hold one over a suspension. */
int api_reader_take(struct api *api, struct store_reader **ret, struct err *reterr) MUSTCHECK;
void api_reader_give(struct api *api, struct store_reader *sr); /* NULL is allowed */

enum api_counter {
	API_ACTIVE,
	API_SUSPENDED,
	API_FOLLOWERS,
};
void api_count(struct api *api, enum api_counter which, int delta);
bool api_stopping(struct api *api);
/* Count one more follower; false: API_FOLLOWERS_MAX are open. */
bool api_follower_add(struct api *api);
