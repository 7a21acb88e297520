/* SPDX-License-Identifier: MIT */
/*
 * The table of live endpoints for API threads and the net thread, with its own lock. The manager's
 * thread rebuilds it from the rows once after each commit that changes an endpoint.
 */
#include "base/beneath.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "jobs/sagemaker/requests.h"
#include "jobs/spec/predict.h"
#include "storage/store_resource.h"

#include <string.h>

static void live_list_free(struct live_endpoint *list)
{
	while (list) {
		struct live_endpoint *next = list->next;

		closep(&list->work_dirfd);
		free(list);
		list = next;
	}
}

void live_free(struct manager *mgr)
{
	live_list_free(TAKE(mgr->live));
	free(TAKE(mgr->slots));
}

static struct live_endpoint *live_of(struct live_endpoint *list, const char *id)
{
	while (list && !str_eq(list->id, id))
		list = list->next;
	return list;
}

static void find_resource_name(struct manager *mgr, struct live_endpoint *live)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};

	if (store_resource_of_endpoint(mgr->store, live->id, &rows, NULL) < 0)
		return;
	for (size_t i = 0; i < rows.n; i++) {
		/* the limit of a serverless configuration holds as long as it may be in use */
		if (rows.rows[i].kind == RESOURCE_ENDPOINT_CONFIG &&
		    !resource_state_is_final(rows.rows[i].state) &&
		    sagemaker_config_is_serverless(rows.rows[i].request))
			live->body_max = SPEC_PREDICT_SERVERLESS_MAX;
		if (rows.rows[i].kind != RESOURCE_ENDPOINT)
			continue;
		str_assign(live->resource_name, rows.rows[i].name);
		str_assign(live->region, rows.rows[i].region);
	}
}

static struct live_endpoint *live_new(struct manager *mgr, const struct endpoint_row *ep)
{
	const struct execution *ex = execution_of_endpoint(mgr, ep);
	struct live_endpoint *live = calloc(1, sizeof(*live)), *was = live_of(mgr->live, ep->id);

	if (!live)
		return NULL;
	memcpy(live->name, ep->name, sizeof(live->name));
	memcpy(live->id, ep->id, sizeof(live->id));
	live->target = ep->target;
	live->body_max = SPEC_PREDICT_BODY_MAX;
	live->state = ep->state;
	live->last_request_us = ep->last_request_us;
	if (was && was->last_request_us > live->last_request_us)
		live->last_request_us = was->last_request_us;
	live->work_dirfd = -1;
	if (ep->target == TARGET_SAGEMAKER &&
	    (ep->state == ENDPOINT_IN_SERVICE || ep->state == ENDPOINT_UPDATING))
		find_resource_name(mgr, live);
	if (ex && ex->dirfd >= 0 &&
	    (ep->state == ENDPOINT_IN_SERVICE || ep->state == ENDPOINT_UPDATING))
		(void)!beneath_open_dir(ex->dirfd, EXECUTION_WORK, 0, &live->work_dirfd, NULL);
	return live;
}

void live_refresh(struct manager *mgr)
{
	OWN(endpoint_rows_done) struct endpoint_rows rows = {0};
	struct live_endpoint *fresh = NULL, *old;
	struct err err = {0};

	if (store_endpoints_live(mgr->store, &rows, &err) < 0) {
		log_event(LOG_LEVEL_ERROR, "endpoints_not_read", "msg=\"%s\"", err.msg);
		return;
	}
	spare_release(&mgr->spare);
	pthread_mutex_lock(&mgr->live_lock);
	for (size_t i = 0; i < rows.n; i++) {
		struct live_endpoint *live = live_new(mgr, &rows.rows[i]);

		if (!live)
			continue;
		live->next = fresh;
		fresh = live;
	}
	old = mgr->live;
	mgr->live = fresh;
	pthread_mutex_unlock(&mgr->live_lock);
	live_list_free(old);
	spare_fill(&mgr->spare);
}

static void refresh_after(struct manager *mgr, void *arg, bool committed)
{
	if (committed)
		live_refresh(mgr);
}

void live_changed(struct manager *mgr)
{
	txn_before_publish(mgr, refresh_after, NULL);
}

bool live_name_taken(struct manager *mgr, const char *name, enum job_target *ret_target)
{
	bool taken = false;

	pthread_mutex_lock(&mgr->live_lock);
	for (const struct live_endpoint *l = mgr->live; l && !taken; l = l->next) {
		taken = str_eq(l->name, name);
		*ret_target = l->target;
	}
	pthread_mutex_unlock(&mgr->live_lock);
	return taken;
}

size_t live_body_max(struct manager *mgr, const char *name)
{
	size_t max = SPEC_PREDICT_BODY_MAX;

	pthread_mutex_lock(&mgr->live_lock);
	for (const struct live_endpoint *l = mgr->live; l; l = l->next)
		if (str_eq(l->name, name))
			max = l->body_max;
	pthread_mutex_unlock(&mgr->live_lock);
	return max;
}

int64_t live_last_request(struct manager *mgr, const char *id)
{
	struct live_endpoint *live;
	int64_t at;

	pthread_mutex_lock(&mgr->live_lock);
	live = live_of(mgr->live, id);
	at = live ? live->last_request_us : 0;
	pthread_mutex_unlock(&mgr->live_lock);
	return at;
}
