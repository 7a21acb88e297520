/* SPDX-License-Identifier: MIT */
/*
 * State that all requests of one server share. Handlers read the constant fields; the functions
 * below guard the counters and the pool of readers. Thread-safe.
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
struct reply_figures;

/* One of the two listeners. */
struct listener {
	struct api *api;
	struct MHD_Daemon *daemon;
	int fd;	    /* owned; -1: not used */
	bool local; /* True for the unix socket: Host and Origin are not checked */
	struct connection_door door;
};

struct api {
	/* constant after api_start() */
	struct manager *manager;
	char version[64];
	char host[64]; /* the listen address without its port */
	char url[96];
	uint16_t port;
	char *data_dir, *socket_path;
	size_t body_max_bytes;
	struct listener tcp, local;
	struct connections *connections;
	struct acceptor *acceptor;
	struct reply_figures *figures;

	pthread_mutex_t lock;  /* guards all fields below */
	pthread_cond_t calmed; /* signalled if active or suspended decreases during the stop */
	bool stopping;
	int active;    /* requests between their first and their last byte */
	int suspended; /* connections that wait for the manager or the feed */
	int followers, watchers;
	struct store_reader *readers[API_READERS_MAX]; /* idle readers */
	size_t readers_n;
};

/* Borrow a read-only connection for this thread; opens one if none is idle. Return the reader
 * before the request is suspended. */
int api_reader_take(struct api *api, struct store_reader **ret, struct err *reterr) MUSTCHECK;
void api_reader_give(struct api *api, struct store_reader *sr); /* NULL is allowed */

enum api_counter {
	API_ACTIVE,
	API_SUSPENDED,
	API_FOLLOWERS,
	API_WATCHERS,
};
void api_count(struct api *api, enum api_counter which, int delta);
bool api_stopping(struct api *api);
/* Count one more. Returns false if there are `most` already. */
bool api_count_below(struct api *api, enum api_counter which, int most);
