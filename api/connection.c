/* SPDX-License-Identifier: MIT */
/*
 * The table of open connections by descriptor, and each connection's phase, from its accept to its
 * close. One lock guards all of it.
 */
#include "api/connection.h"

#include "api/bare.h"
#include "api/connection_door.h"
#include "api/context.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"

#include <stdlib.h>

struct connections {
	struct connection_limits limits;
	void (*on_room)(void *userdata);
	void *userdata;

	pthread_mutex_t lock; /* guards all fields below, and each connection and listener */
	struct connection **by_fd;
	size_t by_fd_n;
	uint32_t serial;
	int count, dropping;
	size_t bodies;
	bool room_wanted;
};

struct connections *connections_new(const struct connection_limits *limits)
{
	struct connections *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	all->limits = *limits;
	pthread_mutex_init(&all->lock, NULL);
	return all;
}

void connections_free(struct connections *all)
{
	if (!all)
		return;
	for (size_t i = 0; i < all->by_fd_n; i++)
		free(all->by_fd[i]);
	pthread_mutex_destroy(&all->lock);
	free(all->by_fd);
	free(all);
}

void connections_on_room(struct connections *all, void (*fn)(void *userdata), void *userdata)
{
	all->on_room = fn;
	all->userdata = userdata;
}

/* ---- with the lock held ---- */

static void uncount_body(struct connection *c)
{
	c->all->bodies -= c->body_bytes;
	c->body_bytes = 0;
}

static void drop(struct connection *c)
{
	TAILQ_REMOVE(connection_list_of(c), c, link);
	c->dropped = true;
	TAILQ_INSERT_TAIL(connection_list_of(c), c, link);
	c->listener->door.open--;
	c->all->dropping++;
	uncount_body(c);
	connection_shut(c);
}

/* Drop the listener's first connection to drop. False if there is none. */
static bool drop_first(struct listener *l, const char *peer)
{
	struct connection *c = connection_door_first(&l->door, peer);

	if (c)
		drop(c);
	return c != NULL;
}

/* True if the peer is at its limit and all its connections are being answered. */
static bool crowd(struct connections *all, struct listener *l, const char *peer)
{
	int max = all->limits.per_peer;

	if (max <= 0 || l->door.open < max || connection_door_count(&l->door, peer) < max)
		return false;
	return !drop_first(l, peer);
}

static bool remember(struct connections *all, struct connection *c)
{
	size_t n = (size_t)c->fd + 1;

	if (n > all->by_fd_n) {
		struct connection **grown =
			reallocarray(all->by_fd, n, 2 * sizeof(struct connection *));

		if (!grown)
			return false;
		for (size_t i = all->by_fd_n; i < 2 * n; i++)
			grown[i] = NULL;
		all->by_fd = grown;
		all->by_fd_n = 2 * n;
	}
	all->by_fd[c->fd] = c;
	return true;
}

static struct connection *find(const struct connections *all, int fd)
{
	return fd >= 0 && (size_t)fd < all->by_fd_n ? all->by_fd[fd] : NULL;
}

static void forget(struct connection *c)
{
	struct connections *all = c->all;

	TAILQ_REMOVE(connection_list_of(c), c, link);
	uncount_body(c);
	all->by_fd[c->fd] = NULL;
	all->count--;
	if (c->dropped)
		all->dropping--;
	else
		c->listener->door.open--;
	free(c);
}

/* Forget connections that the library closed without taking them, because memory was out. */
static void forget_lost(struct connection_list *list)
{
	struct connection *c, *next;

	for (c = TAILQ_FIRST(list); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (!c->started && connection_inode(c->fd) != c->inode)
			forget(c);
	}
}

static void enter(struct connection *c, enum connection_phase phase)
{
	int64_t now = clock_mono_us();

	TAILQ_REMOVE(connection_list_of(c), c, link);
	c->moved_us = now;
	if (phase != c->phase || phase == CONNECTION_WAITING)
		c->until_us =
			now + USEC_PER_SEC * (phase == CONNECTION_BODY ? CONNECTION_BODY_S
								       : c->all->limits.idle_s);
	c->phase = phase;
	TAILQ_INSERT_TAIL(connection_list_of(c), c, link);
}

/* Drop stalled bodies until `bytes` more fit. */
static bool drop_stalled(struct connection *except, size_t bytes)
{
	struct connections *all = except->all;
	struct listener *doors[] = {&except->listener->api->tcp, &except->listener->api->local};
	int64_t since = clock_mono_us() - CONNECTION_STALL_US;

	for (size_t i = 0; i < ARRAY_LEN(doors); i++) {
		struct connection *c = TAILQ_FIRST(&doors[i]->door.droppable), *next;

		for (; c && all->bodies + bytes > all->limits.bodies_max; c = next) {
			next = TAILQ_NEXT(c, link);
			if (c != except && c->body_bytes && c->moved_us <= since)
				drop(c);
		}
	}
	return all->bodies + bytes <= all->limits.bodies_max;
}

/* ---- called by the acceptor ---- */

bool connections_make_room(struct connections *all, struct listener *l)
{
	bool room;

	pthread_mutex_lock(&all->lock);
	room = all->dropping < all->limits.dropping_max &&
	       (l->door.open < all->limits.max || drop_first(l, NULL));
	all->room_wanted |= !room;
	pthread_mutex_unlock(&all->lock);
	return room;
}

bool connections_drop_oldest(struct connections *all, struct listener *const *l, size_t n)
{
	struct connection *oldest = NULL;

	pthread_mutex_lock(&all->lock);
	for (size_t i = 0; i < n; i++) {
		struct connection *c = TAILQ_FIRST(&l[i]->door.droppable);

		if (c && (!oldest || c->moved_us < oldest->moved_us))
			oldest = c;
	}
	if (oldest)
		drop(oldest);
	all->room_wanted = true;
	pthread_mutex_unlock(&all->lock);
	return oldest != NULL;
}

struct connection *connection_open(struct connections *all, struct listener *l, int fd,
				   const char *peer)
{
	struct connection *c = calloc(1, sizeof(*c)), *stale;
	bool fits;

	if (!c)
		return NULL;
	*c = (struct connection){.all = all, .listener = l, .fd = fd};
	str_must_copy(c->peer, sizeof(c->peer), peer);
	pthread_mutex_lock(&all->lock);
	stale = find(all, fd); /* the library has closed it without a callback */
	if (stale)
		forget(stale);
	c->serial = ++all->serial;
	c->inode = connection_inode(fd);
	fits = remember(all, c);
	if (fits) {
		c->crowded = crowd(all, l, peer);
		TAILQ_INSERT_TAIL(&l->door.droppable, c, link);
		enter(c, CONNECTION_WAITING);
		all->count++;
		if (++l->door.open > l->door.peak)
			l->door.peak = l->door.open;
	}
	pthread_mutex_unlock(&all->lock);
	if (fits)
		return c;
	free(c);
	return NULL;
}

void connections_hung_up(struct connections *all, int fd, uint32_t serial)
{
	struct connection *c;

	pthread_mutex_lock(&all->lock);
	c = find(all, fd);
	if (c && c->serial == serial && !c->hung_up_us)
		c->hung_up_us = clock_mono_us();
	pthread_mutex_unlock(&all->lock);
}

bool connections_reap(struct connections *all, struct listener *l, int64_t now_us)
{
	struct connection *c, *next;
	bool left = false;

	pthread_mutex_lock(&all->lock);
	forget_lost(&l->door.droppable);
	forget_lost(&l->door.dropped);
	for (c = TAILQ_FIRST(&l->door.droppable); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (now_us >= c->until_us || connection_was_left(c, now_us))
			drop(c);
	}
	TAILQ_FOREACH(c, &l->door.busy, link)
		left = left || c->hung_up_us;
	pthread_mutex_unlock(&all->lock);
	return left;
}

int connections_count(struct connections *all)
{
	int n;

	pthread_mutex_lock(&all->lock);
	n = all->count;
	pthread_mutex_unlock(&all->lock);
	return n;
}

/* ---- called by the library's threads ---- */

struct connection *connection_start(struct connections *all, int fd)
{
	struct connection *c;

	pthread_mutex_lock(&all->lock);
	c = find(all, fd);
	if (c) {
		c->started = true;
		if (c->dropped)
			connection_shut(c);
	}
	pthread_mutex_unlock(&all->lock);
	return c;
}

/* Wake the acceptor once if it waits for room. The lock is held on entry and released here. */
static void unlock_and_tell(struct connections *all, bool room)
{
	bool tell = room && all->room_wanted;

	if (tell)
		all->room_wanted = false;
	pthread_mutex_unlock(&all->lock);
	if (tell && all->on_room)
		all->on_room(all->userdata);
}

bool connection_move(struct connection *c, enum connection_phase phase)
{
	struct connections *all = c->all;
	bool open;

	pthread_mutex_lock(&all->lock);
	open = !c->dropped;
	if (phase == CONNECTION_WAITING)
		uncount_body(c);
	enter(c, phase);
	unlock_and_tell(all, phase == CONNECTION_WAITING);
	return open;
}

bool connection_body(struct connection *c, size_t bytes)
{
	struct connections *all = c->all;
	size_t more;
	bool fits;

	pthread_mutex_lock(&all->lock);
	more = bytes > c->body_bytes ? bytes - c->body_bytes : 0;
	fits = c->dropped || !more || all->bodies + more <= all->limits.bodies_max ||
	       drop_stalled(c, more);
	if (!c->dropped && fits) {
		all->bodies += bytes - c->body_bytes;
		c->body_bytes = bytes;
	}
	pthread_mutex_unlock(&all->lock);
	return fits;
}

void connection_refuse(struct connection *c, unsigned status, const char *code, const char *detail)
{
	pthread_mutex_lock(&c->all->lock);
	if (!c->dropped) {
		bare_reply(c->fd, status, code, detail);
		drop(c);
	}
	pthread_mutex_unlock(&c->all->lock);
}

int connection_close(struct connection *c)
{
	struct connections *all = c->all;
	struct connection_door *door = &c->listener->door;
	int peak = 0;

	pthread_mutex_lock(&all->lock);
	forget(c);
	if (!door->open && TAILQ_EMPTY(&door->dropped)) {
		peak = door->peak;
		door->peak = 0;
	}
	unlock_and_tell(all, true);
	return peak;
}
