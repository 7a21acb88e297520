/* SPDX-License-Identifier: MIT */
/*
 * The controller: looks at the rows that are not final, decides the next step of each, and keeps
 * the calls that are under way. What answers mean is in sagemaker/answer.c.
 */
#include "base/fault.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/sagemaker/idle.h"
#include "daemon/sagemaker/log_search.h"
#include "daemon/sagemaker/parity.h"
#include "daemon/sagemaker/sagemaker.h"
#include "daemon/sagemaker/update.h"
#include "daemon/schedule/job_state.h"
#include "jobs/sagemaker/requests.h"

#include <string.h>

#define END_AGAIN 5 /* looks at something whose end was accepted, before it is asked for again */

const struct sagemaker_driver *const sagemaker_drivers[RESOURCE_KINDS_] = {
	[RESOURCE_TRAINING_JOB] = &sagemaker_training_driver,
	[RESOURCE_MODEL] = &sagemaker_model_driver,
	[RESOURCE_ENDPOINT_CONFIG] = &sagemaker_config_driver,
	[RESOURCE_ENDPOINT] = &sagemaker_endpoint_driver,
};

/* ---- the whole target waits ---- */

/* Credentials were refused: the whole target waits and tries again later. */
static void sagemaker_pause(struct manager *mgr, const struct err *why)
{
	struct sagemaker *c = mgr->sagemaker;

	if (c->pause.code == REASON_NONE)
		log_event(LOG_LEVEL_WARNING, "sagemaker_waits", "msg=\"%s\"", why->msg);
	reason_set(&c->pause, REASON_WAITING_FOR_CREDENTIALS, "%s", why->msg);
	c->pause_until_us = clock_mono_us() + mgr->settings->aws.wait_us;
}

/* A call went through. */
static void sagemaker_resume(struct manager *mgr)
{
	struct sagemaker *c = mgr->sagemaker;

	if (c->pause.code == REASON_NONE)
		return;
	log_event(LOG_LEVEL_INFO, "sagemaker_goes_on", "was=\"%s\"", c->pause.message);
	c->pause = (struct reason){0};
	manager_want_schedule(mgr);
	sagemaker_reconcile_soon(mgr);
}

int64_t sagemaker_backoff_us(const struct manager *mgr, int tries)
{
	int64_t us = mgr->settings->aws.poll_us < SAGEMAKER_BACKOFF_US ? mgr->settings->aws.poll_us
								       : SAGEMAKER_BACKOFF_US;

	for (int i = 1; i < tries && us < SAGEMAKER_BACKOFF_MAX_US; i++)
		us *= 2;
	return us < SAGEMAKER_BACKOFF_MAX_US ? us : SAGEMAKER_BACKOFF_MAX_US;
}

/* ---- calls ---- */

void sagemaker_call_free(struct sagemaker_call *cc)
{
	aws_call_done(&cc->call);
	json_decref(cc->input);
	free(cc->body);
	free(cc);
}

struct sagemaker_call *sagemaker_call_new(struct manager *mgr, enum aws_service service,
					  const char *operation, const char *region, json_t *input)
{
	struct sagemaker_call *cc = calloc(1, sizeof(*cc));

	if (!cc) {
		json_decref(input);
		return NULL;
	}
	cc->manager = mgr;
	cc->input = input;
	aws_call_init(&cc->call, service, operation);
	cc->call.region = region; /* the caller makes it last, see sagemaker_call_send */
	cc->call.input = input;
	cc->call.userdata = cc;
	return cc;
}

static void unlink_call(struct manager *mgr, struct sagemaker_call *cc)
{
	struct sagemaker_call **at = &mgr->sagemaker->calls;

	while (*at && *at != cc)
		at = &(*at)->next;
	if (*at)
		*at = cc->next;
}

/* On the manager thread. */
static void on_answer(struct manager *mgr, struct manager_message *m)
{
	struct sagemaker_call *cc = (struct sagemaker_call *)m;
	uint64_t failed = mgr->txns_failed;

	FAULT("sagemaker.call.answered");
	unlink_call(mgr, cc);
	if (!mgr->stopping) {
		if (cc->call.kind == AWS_ERROR_CREDENTIALS)
			sagemaker_pause(mgr, &cc->call.err);
		else if (cc->call.result == 0)
			sagemaker_resume(mgr);
		cc->answered(mgr, cc);
		if (mgr->txns_failed == failed) /* else what is due is asked at the next beat */
			sagemaker_reconcile_soon(mgr);
	}
	sagemaker_call_free(cc);
}

static void on_done(struct aws_call *c)
{
	struct sagemaker_call *cc = c->userdata;

	manager_post(cc->manager, &cc->message);
}

void sagemaker_call_send(struct sagemaker_call *cc)
{
	struct manager *mgr = cc->manager;

	cc->next = mgr->sagemaker->calls;
	mgr->sagemaker->calls = cc;
	cc->message.fn = on_answer;
	cc->call.done = on_done;
	FAULT("sagemaker.call.before");
	aws_send(mgr->aws, &cc->call);
	FAULT("sagemaker.call.sent");
}

bool sagemaker_call_is_open(const struct manager *mgr, const char *row, bool logs)
{
	for (const struct sagemaker_call *cc = mgr->sagemaker->calls; cc; cc = cc->next)
		if (str_eq(cc->row, row) && (cc->step == SAGEMAKER_STEP_LOGS) == logs)
			return true;
	return false;
}

/* ---- steps ---- */

/* NULL: no memory, or a name that the service does not take. */
static struct sagemaker_call *update_of(struct manager *mgr, const struct resource_row *row)
{
	struct sagemaker_endpoint endpoint = {
		.name = row->name,
		.config_name = sagemaker_config_wanted(row),
	};
	struct err why = {0};
	json_t *body = NULL;

	if (sagemaker_endpoint_update_request(&endpoint, &body, &why) < 0) {
		log_event(LOG_LEVEL_ERROR, "cloud_update", "name=%s msg=\"%s\"", row->name,
			  why.msg);
		return NULL;
	}
	return sagemaker_call_new(mgr, AWS_SAGEMAKER, "UpdateEndpoint", NULL, body);
}

static json_t *name_only(const struct resource_row *row)
{
	return json_pack("{ss}", sagemaker_drivers[row->kind]->name_key, row->name);
}

static struct sagemaker_call *call_of_step(struct manager *mgr, const struct resource_row *row,
					   enum sagemaker_step step)
{
	const struct sagemaker_driver *d = sagemaker_drivers[row->kind];

	switch (step) {
	case SAGEMAKER_STEP_CREATE:
		return sagemaker_call_new(mgr, AWS_SAGEMAKER, d->create, NULL,
					  json_incref(row->request));
	case SAGEMAKER_STEP_DESCRIBE:
		return sagemaker_call_new(mgr, AWS_SAGEMAKER, d->describe, NULL, name_only(row));
	case SAGEMAKER_STEP_END:
		return sagemaker_call_new(mgr, AWS_SAGEMAKER, d->end, NULL, name_only(row));
	case SAGEMAKER_STEP_UPDATE:
		return update_of(mgr, row);
	case SAGEMAKER_STEP_TAGS:
		return sagemaker_call_new(
			mgr, AWS_SAGEMAKER, "ListTags", NULL,
			json_pack("{ss si}", "ResourceArn", row->arn, "MaxResults", 100));
	case SAGEMAKER_STEP_LOGS:
	case SAGEMAKER_STEP_LOOKUP:
	case SAGEMAKER_STEP_PARITY:
		break;
	}
	return NULL;
}

/* Written down before anything is sent: from now on it may exist. 1: send it; 0: it is no longer to
 * be made. */
static int note_create(struct manager *mgr, struct resource_row *row)
{
	OWN(resource_row_done) struct resource_row now = {0};
	struct err why = {0};
	bool send;
	int r = txn_begin(mgr, &why);

	if (r < 0)
		return r;
	r = store_resource_get(mgr->store, row->id, &now, &why);
	send = r >= 0 && now.state == RESOURCE_PLANNED && now.wanted;
	if (send) {
		now.sent_us = clock_now_us();
		r = store_resource_update(mgr->store, &now, now.sent_us, &why);
	}
	if (r < 0)
		txn_fail(mgr, r, &why);
	return txn_end(mgr, NULL) >= 0 && send;
}

void sagemaker_step(struct manager *mgr, struct resource_row *row, enum sagemaker_step step)
{
	bool fresh = row->sent_us == 0;
	struct sagemaker_call *cc;

	if (step == SAGEMAKER_STEP_CREATE && note_create(mgr, row) <= 0)
		return; /* the next beat looks again */
	cc = call_of_step(mgr, row, step);
	if (!cc)
		return;
	cc->step = step;
	cc->fresh = fresh;
	memcpy(cc->row, row->id, sizeof(cc->row));
	str_copy(cc->text[0], sizeof(cc->text[0]), row->region);
	cc->call.region = cc->text[0];
	cc->answered = sagemaker_answered;
	sagemaker_call_send(cc);
}

/* Never sent and no longer wanted: it never was. */
static void drop_planned(struct manager *mgr, struct resource_row *row)
{
	struct err why = {0};
	int r;

	if (txn_begin(mgr, &why) < 0)
		return;
	r = sagemaker_resource_end(mgr, row, RESOURCE_REFUSED, &row->reason, &why);
	if (r < 0)
		txn_fail(mgr, r, &why);
	txn_end(mgr, NULL);
}

static bool may(struct manager *mgr, const struct resource_row *row, bool create)
{
	const struct sagemaker_driver *d = sagemaker_drivers[row->kind];
	struct err why = {0};
	int r = d->can_proceed ? d->can_proceed(mgr, row, create, &why) : 1;

	if (r < 0)
		log_event(LOG_LEVEL_WARNING, "resource_not_judged", "resource=%s msg=\"%s\"",
			  row->id, why.msg);
	return r > 0;
}

static void look_at(struct manager *mgr, struct resource_row *row)
{
	switch (row->state) {
	case RESOURCE_PLANNED:
		if (row->sent_us)
			sagemaker_step(mgr, row, SAGEMAKER_STEP_DESCRIBE);
		else if (!row->wanted)
			drop_planned(mgr, row);
		else if (may(mgr, row, true))
			sagemaker_step(mgr, row, SAGEMAKER_STEP_CREATE);
		break;
	case RESOURCE_PRESENT:
		/* Its end was refused, and may have come by itself. */
		if (row->wanted || (row->tries % 2 && sagemaker_drivers[row->kind]->polled))
			sagemaker_step(mgr, row, SAGEMAKER_STEP_DESCRIBE);
		else if (may(mgr, row, false))
			sagemaker_step(mgr, row, SAGEMAKER_STEP_END);
		break;
	case RESOURCE_ENDING: /* accepted, but nothing came of it: ask again */
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

static int64_t look_at_all(struct manager *mgr)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	int64_t now = clock_now_us(), next = now + SAGEMAKER_RESYNC_US;
	struct err why = {0};

	if (store_resource_live(mgr->store, &rows, &why) < 0) {
		log_event(LOG_LEVEL_ERROR, "resources_not_read", "msg=\"%s\"", why.msg);
		return SAGEMAKER_RESYNC_US;
	}
	for (size_t i = 0; i < rows.n; i++) {
		if (mgr->ends_only && rows.rows[i].wanted)
			continue;
		sagemaker_log_follow(mgr, &rows.rows[i]);
		if (is_due(mgr, &rows.rows[i], now))
			look_at(mgr, &rows.rows[i]);
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
		wait = look_at_all(mgr);
	if (!mgr->sagemaker->reconcile_queued)
		loop_after_us(mgr->loop, &mgr->sagemaker->timer, wait, on_resync, mgr);
	return 0;
}

void sagemaker_reconcile_soon(struct manager *mgr)
{
	if (!mgr->sagemaker || mgr->sagemaker->reconcile_queued || mgr->stopping)
		return;
	mgr->sagemaker->reconcile_queued = true;
	loop_after_us(mgr->loop, &mgr->sagemaker->timer, 0, on_resync, mgr);
}

void sagemaker_reconcile_on_commit(struct manager *mgr, void *arg, bool committed)
{
	if (committed)
		sagemaker_reconcile_soon(mgr);
}

int sagemaker_resource_desire(struct manager *mgr, struct resource_row *row, struct err *reterr)
{
	int r = row->kind == RESOURCE_ENDPOINT ? sagemaker_parity_forget(mgr, row, reterr) : 0;

	row->next_us = 0;
	txn_on_commit(mgr, sagemaker_reconcile_on_commit, NULL);
	return r < 0 ? r : store_resource_update(mgr->store, row, clock_now_us(), reterr);
}

int sagemaker_resource_unwant(struct manager *mgr, struct resource_row *row,
			      const struct reason *why, struct err *reterr)
{
	row->wanted = false;
	row->reason = *why;
	return sagemaker_resource_desire(mgr, row, reterr);
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
			   set->trouble ? set->trouble : "AWS is not configured");
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
