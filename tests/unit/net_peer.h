/* SPDX-License-Identifier: MIT */
/*
 * An HTTP server that does what the request's path says: "/size/STATUS/N" (N bytes), "/head/N" (a
 * header of N bytes), "/hang", "/half" (of the body, then nothing), "/drop"; else a redirect with a
 * body.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>

#define PEER_REQUEST_MAX (1 << 20)

extern struct net_peer {
	int fd;
	pthread_t thread;
	char url[64]; /* "http://127.0.0.1:PORT" */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t connections, requests;	 /* under the lock; requests: a test sets it to 0 */
	char last[PEER_REQUEST_MAX + 1]; /* the whole request */
} peer;

/* cmocka's set-up and tear-down of a group. */
int peer_start(void **state);
int peer_stop(void **state);
/* Until so many requests have come. */
void peer_await(size_t n);
