/* SPDX-License-Identifier: MIT */
/*
 * Copies a page from an answer, has its lines searched on the search thread, and stores the page on
 * the manager's thread.
 */
#include "daemon/sagemaker/log_page.h"

#include "base/own.h"
#include "base/str.h"
#include "daemon/sagemaker/log_file.h"

#include <string.h>

struct log_page *log_page_new(struct manager *mgr, const struct sagemaker_call *cc)
{
	struct log_page *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->manager = mgr;
	memcpy(p->row, cc->row, sizeof(p->row));
	str_assign(p->stream, cc->key);
	str_must_copy(p->asked, sizeof(p->asked), json_get_str(cc->input, "nextToken", ""));
	p->has_long_token = !str_copy(p->token, sizeof(p->token),
				      json_get_str(cc->call.output, "nextForwardToken", ""));
	if (p->has_long_token)
		p->token[0] = '\0';
	p->events = json_incref(json_object_get(cc->call.output, "events"));
	return p;
}

void log_page_free(struct log_page *p)
{
	if (!p)
		return;
	sagemaker_metrics_free(p->metrics);
	sagemaker_found_free(p->found);
	json_decref(p->events);
	free(p);
}

bool log_page_is_last(const struct log_page *p)
{
	return !p->token[0] || str_eq(p->token, p->asked);
}

/* ---- on the search thread ---- */

static void search(struct log_search_task *t, const _Atomic bool *stop)
{
	struct log_page *p = t->userdata;

	p->result =
		sagemaker_metrics_search(p->metrics, p->events, p->known, stop, &p->found, &p->err);
}

static void searched(struct log_search_task *t)
{
	struct log_page *p = t->userdata;

	manager_post(p->manager, &p->message);
}

/* ---- on the manager thread ---- */

int log_page_search(struct log_page *p, struct sagemaker_metrics *metrics,
		    void (*back)(struct manager *mgr, struct manager_message *m),
		    struct err *reterr)
{
	int r;

	p->message.fn = back;
	p->task = (struct log_search_task){.search = search, .done = searched, .userdata = p};
	p->metrics = metrics;
	r = log_search_add(p->manager->sagemaker->search, &p->task, reterr);
	if (r < 0)
		p->metrics = NULL;
	return r;
}

int log_page_store(struct manager *mgr, const struct resource_row *row, const struct log_page *p,
		   const struct sagemaker_metrics *m, struct log_stream *s, bool again,
		   struct err *reterr)
{
	int64_t size = row->log_size, n = (int64_t)json_array_size(p->events);
	bool last = log_page_is_last(p);
	int r;

	str_assign(s->token, p->token);
	if (again && !last)
		return 1; /* the token is not stored before all known events were skipped */
	r = sagemaker_log_append(mgr, row, m, p->stream, p->events, p->known, &size, reterr);
	if (r >= 0)
		r = sagemaker_metrics_store(mgr, row, m, p->stream, p->events, p->known, p->found,
					    reterr);
	s->events += n - (int64_t)p->known;
	if (r >= 0)
		r = store_log_stream_set(mgr->store, row->id, s, size, reterr);
	return r < 0 ? r : !last;
}
