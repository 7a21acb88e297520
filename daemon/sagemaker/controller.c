/* SPDX-License-Identifier: MIT */
/*
 * The controller: examines the rows that are not final and selects the next step of each.
 * sagemaker/answer.c handles the answers. Manager's thread.
 */
#include "daemon/sagemaker/controller.h"
#include "base/log.h"
#include "base/own.h"
#include "daemon/sagemaker/idle.h"
#include "daemon/sagemaker/log_search.h"

#define END_AGAIN 5 /* checks of a resource until an accepted end is requested again */

/* The resource is unwanted and its create was never sent: it never existed. */
static void drop_planned(struct manager *mgr, struct resource_row *row)
{
	struct err err = {0};
	int r;

	if (txn_begin(mgr, &err) < 0)
		return;
	r = sagemaker_resource_end(mgr, row, RESOURCE_REFUSED, &row->reason, &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	txn_end(mgr, NULL);
}

static bool row_can_proceed(struct manager *mgr, const struct resource_row *row, bool create)
{
	const struct sagemaker_driver *d = sagemaker_drivers[row->kind];
	struct err err = {0};
	int r = d->can_proceed ? d->can_proceed(mgr, row, create, &err) : 1;

	if (r < 0)
		log_event(LOG_LEVEL_WARNING, "resource_not_judged", "resource=%s msg=\"%s\"",
			  row->id, err.msg);
	return r > 0;
}

static void reconcile_row(struct manager *mgr, struct resource_row *row)
{
	switch (row->state) {
	case RESOURCE_PLANNED:
		if (row->sent_us)
			sagemaker_step(mgr, row, SAGEMAKER_STEP_DESCRIBE);
		else if (!row->wanted)
			drop_planned(mgr, row);
		else if (row_can_proceed(mgr, row, true))
			sagemaker_step(mgr, row, SAGEMAKER_STEP_CREATE);
		break;
	case RESOURCE_PRESENT:
		/* The service refused to end the resource, which may have ended by itself. */
		if (row->wanted || (row->tries % 2 && sagemaker_drivers[row->kind]->polled))
			sagemaker_step(mgr, row, SAGEMAKER_STEP_DESCRIBE);
		else if (row_can_proceed(mgr, row, false))
			sagemaker_step(mgr, row, SAGEMAKER_STEP_END);
		break;
	case RESOURCE_ENDING: /* accepted, but without effect: request again */
		sagemaker_step(mgr, row,
			       row->tries > 0 && row->tries % END_AGAIN == 0
				       ? SAGEMAKER_STEP_END
				       : SAGEMAKER_STEP_DESCRIBE);
		break;
	case RESOURCE_ENDED:
	case RESOURCE_REFUSED:
	case RESOURCE_STATES_:
		break;
	}
}

static bool is_due(const struct manager *mgr, const struct resource_row *row, int64_t now)
{
	return row->next_us <= now && !sagemaker_call_is_open(mgr, row->id, false);
}

static int64_t reconcile_rows(struct manager *mgr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	int64_t now = clock_now_us(), next = now + SAGEMAKER_RESYNC_US;
	struct err err = {0};

	if (store_resource_live(mgr->store, &rows, &err) < 0) {
		log_event(LOG_LEVEL_ERROR, "resources_not_read", "msg=\"%s\"", err.msg);
		return SAGEMAKER_RESYNC_US;
	}
	for (size_t i = 0; i < rows.n; i++) {
		if (mgr->ends_only && rows.rows[i].wanted)
			continue;
		sagemaker_log_follow(mgr, &rows.rows[i]);
		if (is_due(mgr, &rows.rows[i], now))
			reconcile_row(mgr, &rows.rows[i]);
		else if (rows.rows[i].next_us > now && rows.rows[i].next_us < next)
			next = rows.rows[i].next_us;
	}
	return next - now;
}

static int on_resync(sd_event_source *s, uint64_t at, void *userdata)
{
	struct manager *mgr = userdata;
	int64_t wait = SAGEMAKER_RESYNC_US;

	mgr->sagemaker->reconcile_queued = false;
	if (mgr->ready && mgr->aws && clock_mono_us() >= mgr->sagemaker->pause_until_us)
		wait = reconcile_rows(mgr);
	if (!mgr->sagemaker->reconcile_queued)
		loop_after_us(mgr->loop, &mgr->sagemaker->timer, wait, on_resync, mgr);
	return 0;
}

/* ---- life ---- */

int sagemaker_open(struct manager *mgr, struct err *reterr)
{
	const struct aws_settings *set = &mgr->settings->aws;
	struct net_settings net = {
		.ca_bundle = set->config ? aws_config_ca_bundle(set->config) : NULL,
	};
	int r = net_new(&net, &mgr->net, reterr);

	mgr->sagemaker = calloc(1, sizeof(*mgr->sagemaker));
	if (r >= 0 && !mgr->sagemaker)
		r = err_errno(reterr, ENOMEM, "make the SageMaker target");
	if (r >= 0)
		r = log_search_new(&mgr->sagemaker->search, reterr);
	if (r >= 0 && set->config)
		r = aws_new(&(struct aws_options){.config = set->config,
						  .net = mgr->net,
						  .keys_again_us = set->wait_us},
			    &mgr->aws, reterr);
	if (r < 0)
		return r;
	if (!mgr->aws) {
		reason_set(&mgr->aws_why, REASON_WAITING_FOR_CREDENTIALS, "%s",
			   set->trouble ? set->trouble : "the daemon has no configuration of AWS");
		log_event(LOG_LEVEL_WARNING, "aws_not_configured", "msg=\"%s\"",
			  mgr->aws_why.message);
	}
	return loop_after_us(mgr->loop, &mgr->sagemaker->timer, 0, on_resync, mgr) < 0
		       ? err_errno(reterr, ENOMEM, "make the SageMaker target")
		       : 0;
}

void sagemaker_stop(struct manager *mgr)
{
	if (mgr->sagemaker && mgr->sagemaker->search)
		log_search_stop(mgr->sagemaker->search);
}

void sagemaker_free(struct manager *mgr)
{
	struct sagemaker *c = mgr->sagemaker;

	if (!c)
		return;
	loop_drop(&c->timer);
	while (c->calls) {
		struct sagemaker_call *cc = c->calls;

		c->calls = cc->next;
		sagemaker_call_free(cc);
	}
	sagemaker_lookups_free(c);
	sagemaker_tails_free(c);
	log_search_free(c->search);
	sagemaker_idles_free(c);
	aws_free(mgr->aws);
	free(TAKE(mgr->sagemaker));
}
