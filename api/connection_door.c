/* SPDX-License-Identifier: MIT */
/*
 * The lists of one listener's connections and the order in which they are dropped. Also what the
 * kernel knows of a descriptor: unread bytes, its inode, and that the peer has left.
 */
#include "api/connection_door.h"

#include "api/context.h"
#include "base/str.h"

#include <sys/socket.h>
#include <sys/stat.h>

#define UNREAD_LOOKS 16

void connection_door_init(struct connection_door *door)
{
	TAILQ_INIT(&door->droppable);
	TAILQ_INIT(&door->busy);
	TAILQ_INIT(&door->dropped);
}

struct connection_list *connection_list_of(struct connection *c)
{
	struct connection_door *door = &c->listener->door;

	if (c->dropped)
		return &door->dropped;
	return c->phase == CONNECTION_BUSY ? &door->busy : &door->droppable;
}

static bool has_unread(const struct connection *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

struct connection *connection_door_first(const struct connection_door *door, const char *peer)
{
	struct connection *c, *first = NULL;
	int looked = 0;

	TAILQ_FOREACH(c, &door->droppable, link) {
		if (peer && !str_eq(c->peer, peer))
			continue;
		first = first ? first : c;
		if (!has_unread(c))
			return c;
		if (++looked == UNREAD_LOOKS)
			break;
	}
	return first;
}

static int count_peer(const struct connection_list *list, const char *peer)
{
	const struct connection *c;
	int n = 0;

	TAILQ_FOREACH(c, list, link)
		n += !c->hung_up_us && str_eq(c->peer, peer);
	return n;
}

int connection_door_count(const struct connection_door *door, const char *peer)
{
	return count_peer(&door->droppable, peer) + count_peer(&door->busy, peer);
}

/* If the library has not taken the descriptor yet, it may have closed it, and the number may mean
 * another file: then do nothing. */
void connection_shut(const struct connection *c)
{
	if (c->started)
		shutdown(c->fd, SHUT_RDWR);
}

ino_t connection_inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : st.st_ino;
}

bool connection_was_left(const struct connection *c, int64_t now_us)
{
	return c->hung_up_us && now_us - c->hung_up_us >= CONNECTION_HANG_US &&
	       now_us - c->moved_us >= CONNECTION_HANG_US && !has_unread(c);
}
