/* SPDX-License-Identifier: MIT */
/* Internals of the net thread: net.c (thread, queues, curl on the loop), exchange.c (one request in
 * curl), request.c (its end). */
#pragma once

#include "base/loop.h"
#include "net/net.h"

#include <curl/curl.h>
#include <pthread.h>

struct exchange {
	struct net *net;
	struct net_request *rq;
	CURL *easy;
	struct curl_slist *headers;
	size_t read_at;
	bool given_up; /* True if a callback of the request ended it */
	bool too_long;
	bool private_address; /* True if it would have connected to a private address */
	long status;	      /* HTTP status; 0: no status line yet */
	struct exchange *next;
};

struct net {
	struct net_settings settings;
	char *ca_bundle, *user_agent;
	pthread_t thread;
	pthread_mutex_t lock; /* protects the three queues, pending and stopping */
	STAILQ_HEAD(net_requests, net_request) inbox;
	STAILQ_HEAD(net_tasks, net_task) tasks;
	struct net_request *cancels[NET_REQUESTS_MAX];
	size_t cancels_n;
	size_t pending; /* requests that are accepted and not done */
	bool stopping;
	int wake_fd;

	/* Used only on the net thread: */
	sd_event *loop;
	CURLM *multi;
	sd_event_source *timer;
	struct exchange *exchanges;
	struct net_tasks waiting; /* tasks whose time has not come */
};

/* ---- exchange.c, on the net thread ---- */
/* Start the request. If that fails, sets rq->result and hands the request back. */
void exchange_start(struct net *n, struct net_request *rq);
/* End an exchange that curl has finished: fill the result, free the exchange, hand the request
 * back. */
void exchange_end(struct exchange *x, CURLcode code);
/* End the exchange with result -code. */
void exchange_abort(struct exchange *x, int code, const char *words);

/* ---- request.c ---- */
/* Hand the request back. `done` may free it. */
void net_request_over(struct net *n, struct net_request *rq);
