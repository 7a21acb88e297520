/* SPDX-License-Identifier: MIT */
/*
 * The open connections of each listener. A connection without a complete request may be dropped.
 * api/acceptor.c adds connections; libmicrohttpd's threads change their phase (api/server.c).
 * Thread-safe, with one lock that is held for a few instructions.
 *
 * A connection is dropped by shutdown(): the library then notices the end, ends the request and
 * closes the descriptor. A dropped connection counts neither as open nor for the budget of bodies.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define CONNECTION_PEER_MAX 64
#define CONNECTION_BODY_S   600 /* maximum time for a whole body, even if bytes keep arriving */
/* a body without progress for this time may be dropped */
#define CONNECTION_STALL_US (1000 * 1000)
/* time between a hang-up and the end of an incomplete request */
#define CONNECTION_HANG_US  (200 * 1000)

struct connections;
struct listener;

enum connection_phase {
	CONNECTION_WAITING, /* new, or between two requests */
	CONNECTION_HEAD,    /* the first line has arrived */
	CONNECTION_BODY,    /* the headers have arrived */
	CONNECTION_BUSY,    /* the request is complete and is answered */
};

TAILQ_HEAD(connection_list, connection);

struct connection {
	TAILQ_ENTRY(connection) link;
	struct connections *all;
	struct listener *listener;
	int fd;
	ino_t inode;	 /* of the descriptor */
	uint32_t serial; /* distinguishes it from a later connection with the same descriptor */
	char peer[CONNECTION_PEER_MAX];
	enum connection_phase phase;
	int64_t moved_us; /* time of the last progress */
	int64_t until_us; /* deadline of this phase */
	int64_t hung_up_us;
	size_t body_bytes; /* part of the budget of bodies */
	bool crowded;	   /* True if beyond its peer's share: replied 503 */
	/* True if the library has taken the descriptor and will report its end */
	bool started;
	bool dropped;
};

struct connection_limits {
	int max;	   /* open connections of each listener */
	int per_peer;	   /* open connections of one peer at a listener; 0: no limit */
	int dropping_max;  /* dropped connections that are not closed yet */
	size_t bodies_max; /* bytes of all request bodies together */
	int idle_s;	   /* seconds for the first line and the headers */
};

/* The connections of one listener; part of struct listener. */
struct connection_door {
	/* `droppable` begins with the oldest progress */
	struct connection_list droppable, busy, dropped;
	int open;
	int peak; /* most open connections since the listener was last empty */
};

/* Returns NULL if memory is out. */
struct connections *connections_new(const struct connection_limits *limits);
void connections_free(struct connections *all);
void connections_on_room(struct connections *all, void (*fn)(void *userdata), void *userdata);

void connection_door_init(struct connection_door *door);

/* ---- called by the acceptor ---- */

/* Make room for one connection: drop the one that has waited longest. Returns false if all
 * connections are being answered, or if too many are about to close. Then the callback of
 * connections_on_room runs when there is room. */
bool connections_make_room(struct connections *all, struct listener *l);
/* Drop the connection that has waited longest among the `n` listeners. Returns false if there is
 * none. */
bool connections_drop_oldest(struct connections *all, struct listener *const *l, size_t n);
/* Add a new descriptor; an older connection with the same number is forgotten. If the peer is at
 * its limit, its longest waiting connection is dropped, or the new one is marked `crowded`. Returns
 * NULL if memory is out. This module owns the connection. */
struct connection *connection_open(struct connections *all, struct listener *l, int fd,
				   const char *peer);
/* Record that the peer has closed its end of the connection with this descriptor and serial. */
void connections_hung_up(struct connections *all, int fd, uint32_t serial);
/* Drop connections that are past their deadline or that the client has left, and forget those that
 * the library never took. Returns true if clients of the listener have left while they were being
 * answered. */
bool connections_reap(struct connections *all, struct listener *l, int64_t now_us);
/* The number of connections, including dropped ones. */
int connections_count(struct connections *all);

/* mhd.c: pass the descriptor to the library's threads. Returns false if the library refuses; the
 * library has then closed the descriptor. */
bool connection_serve(struct listener *l, int fd, const struct sockaddr *at, socklen_t len);

/* ---- called by the library's threads ---- */

/* Record that the library has taken the descriptor. A connection that was already dropped is ended
 * at once. NULL if the descriptor is unknown. */
struct connection *connection_start(struct connections *all, int fd);
/* Enter a phase; entering the same phase again means progress. Returns false if the connection was
 * dropped, so that no client reads an answer. */
bool connection_move(struct connection *c, enum connection_phase phase);
/* Set the size of the connection's body buffer. Returns false, and does not count the size, if the
 * budget is spent and no stalled body can be dropped. */
bool connection_body(struct connection *c, size_t bytes);
/* Drop the connection after a problem document that the library does not send. */
void connection_refuse(struct connection *c, unsigned status, const char *code, const char *detail);
/* Forget a connection that the library closes. Returns the peak of open connections if this was the
 * listener's last one, else 0. */
int connection_close(struct connection *c);
