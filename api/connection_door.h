/* SPDX-License-Identifier: MIT */
/*
 * Internal to api/connection.c: the lists of one listener's connections, which of them to drop, and
 * what the kernel knows of a descriptor. All functions need the lock of `struct connections`.
 */
#pragma once

#include "api/connection.h"

/* The list of the listener that the connection is in now. */
struct connection_list *connection_list_of(struct connection *c);
/* The droppable connection, of `peer` if it is not NULL, that waits longest. A connection that may
 * hold a complete, unread request is returned only if there is no other. NULL if there is none. */
struct connection *connection_door_first(const struct connection_door *door, const char *peer);
/* The number of open connections of this peer. Connections that the peer has left do not count. */
int connection_door_count(const struct connection_door *door, const char *peer);

/* Shut the descriptor down, so that the library notices the end. */
void connection_shut(const struct connection *c);
/* Returns 0 if the descriptor is closed. */
ino_t connection_inode(int fd);
/* True if the client has left and no complete request can follow: its last bytes were read long
 * enough ago. Needed because the library misses an end that arrives together with the last bytes
 * (edge-triggered epoll). */
bool connection_was_left(const struct connection *c, int64_t now_us);
