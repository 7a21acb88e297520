/* SPDX-License-Identifier: MIT */
/*
 * Every open connection of a listener, and which of them may be dropped: those that wait for a
 * request or are in the middle of one. api/acceptor.c adds them, libmicrohttpd's threads move them
 * from phase to phase (api/server.c). One lock, held for a few instructions. Thread-safe.
 *
 * A connection is dropped by shutdown(): the library notices the end, ends the request and closes
 * the descriptor. Until then it counts neither as open nor for the budget of bodies.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define CONNECTION_PEER_MAX 64
#define CONNECTION_BODY_S   600		  /* for a whole body, however it trickles */
#define CONNECTION_STALL_US (1000 * 1000) /* a body without progress for so long may be dropped */
#define CONNECTION_HANG_US  (200 * 1000)  /* from a hang-up to the end of a half request */

struct connections;
struct listener;

enum connection_phase {
	CONNECTION_WAITING, /* new, or between two requests */
	CONNECTION_HEAD,    /* the first line is there */
	CONNECTION_BODY,    /* the headers are there */
	CONNECTION_BUSY,    /* the request is whole: it is answered */
};

TAILQ_HEAD(connection_list, connection);

struct connection {
	TAILQ_ENTRY(connection) link;
	struct connections *all;
	struct listener *listener;
	int fd;
	ino_t inode;	 /* of the descriptor */
	uint32_t serial; /* tells it from a later one with the same descriptor */
	char peer[CONNECTION_PEER_MAX];
	enum connection_phase phase;
	int64_t moved_us; /* when it last came forward */
	int64_t until_us; /* when this phase is over at the latest */
	int64_t hung_up_us;
	size_t body_bytes; /* of the budget */
	bool crowded;	   /* beyond its peer's share: it is answered 503 */
	bool started;	   /* the library has taken the descriptor up, and tells its end */
	bool dropped;
};

struct connection_limits {
	int max;	   /* open ones of each listener */
	int per_peer;	   /* of one peer at a listener; 0: no limit of its own */
	int dropping_max;  /* dropped ones that are not closed yet */
	size_t bodies_max; /* bytes of all request bodies together */
	int idle_s;	   /* for a first line and headers */
};

/* Of one listener; part of struct listener. */
struct connection_door {
	struct connection_list droppable, busy, dropped; /* the first: oldest progress first */
	int open;
	int peak; /* most open at once since the listener was last empty */
};

/* NULL: memory is out. */
struct connections *connections_new(const struct connection_limits *limits);
void connections_free(struct connections *all);
void connections_on_room(struct connections *all, void (*fn)(void *userdata), void *userdata);

void connection_door_init(struct connection_door *door);

/* ---- the acceptor's ---- */

/* Make room for one more, by dropping the one that waits longest. False: all are being answered, or
 * too many are about to close; fn of connections_on_room is called when that has changed. */
bool connections_make_room(struct connections *all, struct listener *l);
/* Drop the one that waits longest of any listener of `n`. False: there is none. */
bool connections_drop_oldest(struct connections *all, struct listener *const *l, size_t n);
/* Take the new descriptor in; what had the same number is forgotten. A peer at its limit loses the
 * one that waits longest; if there is none, the new one is `crowded`. NULL: memory is out. The
 * connection belongs to this module. */
struct connection *connection_open(struct connections *all, struct listener *l, int fd,
				   const char *peer);
/* The peer has closed its end of the connection with this descriptor and serial. */
void connections_hung_up(struct connections *all, int fd, uint32_t serial);
/* Drop what is over its time or has been left, forget what the library never took up. True: some of
 * a listener's have been left while they are answered. */
bool connections_reap(struct connections *all, struct listener *l, int64_t now_us);
/* How many there are, dropped ones too. */
int connections_count(struct connections *all);

/* mhd.c: give the descriptor to the library's threads. False: it refuses, and has closed it. */
bool connection_serve(struct listener *l, int fd, const struct sockaddr *at, socklen_t len);

/* ---- of the library's threads ---- */

/* The library takes the descriptor up; one that is dropped already ends at once. NULL: none. */
struct connection *connection_start(struct connections *all, int fd);
/* Enter a phase; the same again: it came forward. False: it is dropped, nobody reads an answer. */
bool connection_move(struct connection *c, enum connection_phase phase);
/* Its body's buffer has this size now, more or less than before. False: the budget is spent, and no
 * stalled body is left to drop; the size is not counted. */
bool connection_body(struct connection *c, size_t bytes);
/* The library closes it: forget it. If it was the listener's last, how many there were at a time
 * before; else 0. */
int connection_close(struct connection *c);
