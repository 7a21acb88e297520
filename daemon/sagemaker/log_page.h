/* SPDX-License-Identifier: MIT */
/*
 * One page of a stream of CloudWatch logs, from the answer to its turn: what its lines say is
 * searched on the thread of log_search.h if they are of a user's script. sagemaker/log.c asks for
 * one page of a log at a time, so that they stay in order.
 */
#pragma once

#include "daemon/sagemaker/log_search.h"
#include "daemon/sagemaker/metrics.h"

struct log_page {
	struct manager_message message; /* first: the manager casts back */
	struct log_search_task task;
	struct manager *manager;
	char row[ID_LEN];
	char stream[LOG_STREAM_MAX + 1];
	char asked[LOG_TOKEN_MAX + 1], token[LOG_TOKEN_MAX + 1]; /* asked: for this page; "": from
								    the head */
	bool has_long_token; /* True if the answer has a token of more than LOG_TOKEN_MAX bytes: no
				page after this one can be asked for */
	json_t *events;	     /* owned */
	size_t known;	     /* events that are in the log already */
	struct sagemaker_metrics *metrics; /* while it is searched; owned */
	struct sagemaker_found *found;	   /* NULL: nothing is searched; owned */
	int result;			   /* of the search */
	struct err err;
};

/* What GetLogEvents answered to `cc`. NULL: no memory. */
struct log_page *log_page_new(struct manager *mgr, const struct sagemaker_call *cc);
void log_page_free(struct log_page *p); /* NULL is allowed */
/* True if the page ends the stream for now: the same token again (GetLogEvents in the CloudWatch
 * Logs API reference). */
bool log_page_is_last(const struct log_page *p);
/* `back` runs on the manager thread, once. `metrics` is the page's until then. Negative: the page
 * is the caller's, as before. */
int log_page_search(struct log_page *p, struct sagemaker_metrics *metrics,
		    void (*back)(struct manager *mgr, struct manager_message *m),
		    struct err *reterr) MUSTCHECK;
/* Inside a transaction: its lines, its metrics, and how far the stream `s` was read. 1: more is to
 * come, 0: the end for now. `again`: the stream is read from its head, and what is known has not
 * gone by.
 */
int log_page_store(struct manager *mgr, const struct resource_row *row, const struct log_page *p,
		   const struct sagemaker_metrics *m, struct log_stream *s, bool again,
		   struct err *reterr) MUSTCHECK;
