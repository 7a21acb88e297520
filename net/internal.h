/* SPDX-License-Identifier: MIT */
/* The net thread's inside: net.c (thread, queues, curl on the loop), exchange.c (one request in
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
	bool given_up; /* by one of the request's callbacks */
	bool too_long;
	bool private_address; /* it was about to be connected to */
	long status;	      /* 0: no status line yet */
	struct exchange *next;
};

struct net {
	struct net_settings settings;
	char *ca_bundle, *user_agent;
	pthread_t thread;
	pthread_mutex_t lock; /* of the three queues, pending and stopping */
	struct net_request *inbox, **inbox_tail;
	struct net_task *tasks, **tasks_tail;
	struct net_request *cancels[NET_REQUESTS_MAX];
	size_t cancels_n;
	size_t pending; /* accepted and not done */
	bool stopping;
	int wake_fd;

	/* the net thread's own */
	sd_event *loop;
	CURLM *multi;
	sd_event_source *timer;
	struct exchange *exchanges;
	struct net_task *waiting; /* tasks whose time has not come */
};

/* ---- exchange.c, on the net thread ---- */
/* Start it; on failure rq->result is set and the request is handed back. */
void exchange_start(struct net *n, struct net_request *rq);
/* curl is done with it: fill the result, free it, hand the request back. */
void exchange_end(struct exchange *x, CURLcode code);
/* End it with -code. */
void exchange_abort(struct exchange *x, int code, const char *words);

/* ---- request.c ---- */
/* Hand the request back; it may be freed by done. */
void net_request_over(struct net *n, struct net_request *rq);
