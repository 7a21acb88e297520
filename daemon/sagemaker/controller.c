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
#include "daemon/sagemaker/parity.h"
#include "daemon/sagemaker/sagemaker.h"
#include "daemon/sagemaker/update.h"
#include "daemon/schedule/lifecycle.h"
#include "jobs/sagemaker/requests.h"

#include <string.h>

#define END_AGAIN 5 /* looks at something whose end was accepted, before it is asked for again */

const struct sagemaker_driver *const sagemaker_drivers[RESOURCE_KINDS_] = {
	[RESOURCE_TRAINING_JOB] = &sagemaker_training_driver,
	[RESOURCE_MODEL] = &sagemaker_model_driver,
	[RESOURCE_ENDPOINT_CONFIG] = &sagemaker_config_driver,
	[RESOURCE_ENDPOINT] = &sagemaker_endpoint_driver,
};

/* ---- calls ---- */

void sagemaker_call_free(struct sagemaker_call *cc)
{
	aws_call_done(&cc->call);
	json_decref(cc->input);
	free(cc->body);
	free(cc);
}

struct sagemaker_call *sagemaker_call_new(struct engine *e, enum aws_service service,
					  const char *operation, const char *region, json_t *input)
{
	struct sagemaker_call *cc = calloc(1, sizeof(*cc));

	if (!cc) {
		json_decref(input);
		return NULL;
	}
	cc->engine = e;
	cc->input = input;
	aws_call_init(&cc->call, service, operation);
	cc->call.region = region; /* the caller makes it last, see sagemaker_call_send */
	cc->call.input = input;
	cc->call.userdata = cc;
	return cc;
}

static void unlink_call(struct engine *e, struct sagemaker_call *cc)
{
	struct sagemaker_call **at = &e->sagemaker->calls;

	while (*at && *at != cc)
		at = &(*at)->next;
	if (*at)
		*at = cc->next;
}

/* On the engine thread. */
static void on_answer(struct engine *e, struct engine_message *m)
{
	struct sagemaker_call *cc = (struct sagemaker_call *)m;
	uint64_t failed = e->turns_failed;

	FAULT("sagemaker.call.answered");
	unlink_call(e, cc);
	if (!e->stopping) {
		if (cc->call.kind == AWS_ERROR_CREDENTIALS)
			sagemaker_pause(e, &cc->call.err);
		else if (cc->call.result == 0)
			sagemaker_resume(e);
		cc->answered(e, cc);
		if (e->turns_failed == failed) /* else what is due is asked at the next beat */
			sagemaker_reconcile_soon(e);
	}
	sagemaker_call_free(cc);
}

static void on_done(struct aws_call *c)
{
	struct sagemaker_call *cc = c->userdata;

	engine_post(cc->engine, &cc->message);
}

void sagemaker_call_send(struct sagemaker_call *cc)
{
	struct engine *e = cc->engine;

	cc->next = e->sagemaker->calls;
	e->sagemaker->calls = cc;
	cc->message.fn = on_answer;
	cc->call.done = on_done;
	FAULT("sagemaker.call.before");
	aws_send(e->aws, &cc->call);
	FAULT("sagemaker.call.sent");
}

bool sagemaker_call_is_open(const struct engine *e, const char *row, bool logs)
{
	for (const struct sagemaker_call *cc = e->sagemaker->calls; cc; cc = cc->next)
		if (str_eq(cc->row, row) && (cc->step == SAGEMAKER_STEP_LOGS) == logs)
			return true;
	return false;
}

/* ---- the whole target waits ---- */

void sagemaker_pause(struct engine *e, const struct err *why)
{
	struct sagemaker *c = e->sagemaker;

	if (c->pause.code == REASON_NONE)
		log_event(LOG_LEVEL_WARNING, "sagemaker_waits", "msg=\"%s\"", why->msg);
	reason_set(&c->pause, REASON_WAITING_FOR_CREDENTIALS, "%s", why->msg);
	c->pause_until_us = clock_mono_us() + e->settings->aws.wait_us;
}

void sagemaker_resume(struct engine *e)
{
	struct sagemaker *c = e->sagemaker;

	if (c->pause.code == REASON_NONE)
		return;
	log_event(LOG_LEVEL_INFO, "sagemaker_goes_on", "was=\"%s\"", c->pause.message);
	c->pause = (struct reason){0};
	engine_want_schedule(e);
	sagemaker_reconcile_soon(e);
}

int64_t sagemaker_backoff_us(const struct engine *e, int tries)
{
	int64_t us = e->settings->aws.poll_us < SAGEMAKER_BACKOFF_US ? e->settings->aws.poll_us
								     : SAGEMAKER_BACKOFF_US;

	for (int i = 1; i < tries && us < SAGEMAKER_BACKOFF_MAX_US; i++)
		us *= 2;
	return us < SAGEMAKER_BACKOFF_MAX_US ? us : SAGEMAKER_BACKOFF_MAX_US;
}

/* ---- steps ---- */

/* NULL: no memory, or a name that the service does not take. */
static struct sagemaker_call *update_of(struct engine *e, const struct resource_row *row)
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
	return sagemaker_call_new(e, AWS_SAGEMAKER, "UpdateEndpoint", NULL, body);
}

static json_t *name_only(const struct resource_row *row)
{
	return json_pack("{ss}", sagemaker_drivers[row->kind]->name_key, row->name);
}

static struct sagemaker_call *call_of_step(struct engine *e, const struct resource_row *row,
					   enum sagemaker_step step)
{
	const struct sagemaker_driver *d = sagemaker_drivers[row->kind];

	switch (step) {
	case SAGEMAKER_STEP_CREATE:
		return sagemaker_call_new(e, AWS_SAGEMAKER, d->create, NULL,
					  json_incref(row->request));
	case SAGEMAKER_STEP_DESCRIBE:
		return sagemaker_call_new(e, AWS_SAGEMAKER, d->describe, NULL, name_only(row));
	case SAGEMAKER_STEP_END:
		return sagemaker_call_new(e, AWS_SAGEMAKER, d->end, NULL, name_only(row));
	case SAGEMAKER_STEP_UPDATE:
		return update_of(e, row);
	case SAGEMAKER_STEP_TAGS:
		return sagemaker_call_new(
			e, AWS_SAGEMAKER, "ListTags", NULL,
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
static int note_create(struct engine *e, struct resource_row *row)
{
	OWN(resource_row_done) struct resource_row now = {0};
	struct err why = {0};
	bool send;
	int r = turn_begin(e, &why);

	if (r < 0)
		return r;
	r = store_resource_get(e->store, row->id, &now, &why);
	send = r >= 0 && now.state == RESOURCE_PLANNED && now.wanted;
	if (send) {
		now.sent_us = clock_now_us();
		r = store_resource_update(e->store, &now, now.sent_us, &why);
	}
	if (r < 0)
		turn_fail(e, r, &why);
	return turn_end(e, NULL) >= 0 && send;
}

void sagemaker_step(struct engine *e, struct resource_row *row, enum sagemaker_step step)
{
	bool fresh = row->sent_us == 0;
	struct sagemaker_call *cc;

	if (step == SAGEMAKER_STEP_CREATE && note_create(e, row) <= 0)
		return; /* the next beat looks again */
	cc = call_of_step(e, row, step);
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
static void drop_planned(struct engine *e, struct resource_row *row)
{
	struct err why = {0};
	int r;

	if (turn_begin(e, &why) < 0)
		return;
	r = sagemaker_resource_end(e, row, RESOURCE_REFUSED, &row->reason, &why);
	if (r < 0)
		turn_fail(e, r, &why);
	turn_end(e, NULL);
}

static bool may(struct engine *e, const struct resource_row *row, bool create)
{
	const struct sagemaker_driver *d = sagemaker_drivers[row->kind];
	struct err why = {0};
	int r = d->can_proceed ? d->can_proceed(e, row, create, &why) : 1;

	if (r < 0)
		log_event(LOG_LEVEL_WARNING, "resource_not_judged", "resource=%s msg=\"%s\"",
			  row->id, why.msg);
	return r > 0;
}

static void look_at(struct engine *e, struct resource_row *row)
{
	switch (row->state) {
	case RESOURCE_PLANNED:
		if (row->sent_us)
			sagemaker_step(e, row, SAGEMAKER_STEP_DESCRIBE);
		else if (!row->wanted)
			drop_planned(e, row);
		else if (may(e, row, true))
			sagemaker_step(e, row, SAGEMAKER_STEP_CREATE);
		break;
	case RESOURCE_PRESENT:
		/* Its end was refused, and may have come by itself. */
		if (row->wanted || (row->tries % 2 && sagemaker_drivers[row->kind]->polled))
			sagemaker_step(e, row, SAGEMAKER_STEP_DESCRIBE);
		else if (may(e, row, false))
			sagemaker_step(e, row, SAGEMAKER_STEP_END);
		break;
	case RESOURCE_ENDING: /* accepted, but nothing came of it: ask again */
		sagemaker_step(e, row,
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

static bool is_due(const struct engine *e, const struct resource_row *row, int64_t now)
{
	return row->next_us <= now && !sagemaker_call_is_open(e, row->id, false);
}

static int64_t look_at_all(struct engine *e)
{
	OWN(resource_rows_done) struct resource_rows rows = {0};
	int64_t now = clock_now_us(), next = now + SAGEMAKER_RESYNC_US;
	struct err why = {0};

	if (store_resource_live(e->store, &rows, &why) < 0) {
		log_event(LOG_LEVEL_ERROR, "resources_not_read", "msg=\"%s\"", why.msg);
		return SAGEMAKER_RESYNC_US;
	}
	for (size_t i = 0; i < rows.n; i++) {
		if (e->ends_only && rows.rows[i].wanted)
			continue;
		sagemaker_log_follow(e, &rows.rows[i]);
		if (is_due(e, &rows.rows[i], now))
			look_at(e, &rows.rows[i]);
		else if (rows.rows[i].next_us > now && rows.rows[i].next_us < next)
			next = rows.rows[i].next_us;
	}
	return next - now;
}

static int on_beat(sd_event_source *s, uint64_t at, void *userdata)
{
	struct engine *e = userdata;
	int64_t wait = SAGEMAKER_RESYNC_US;

	e->sagemaker->kicked = false;
	if (e->ready && e->aws && clock_mono_us() >= e->sagemaker->pause_until_us)
		wait = look_at_all(e);
	if (!e->sagemaker->kicked)
		loop_after_us(e->loop, &e->sagemaker->timer, wait, on_beat, e);
	return 0;
}

void sagemaker_reconcile_soon(struct engine *e)
{
	if (!e->sagemaker || e->sagemaker->kicked || e->stopping)
		return;
	e->sagemaker->kicked = true;
	loop_after_us(e->loop, &e->sagemaker->timer, 0, on_beat, e);
}

void sagemaker_reconcile_on_commit(struct engine *e, void *arg, bool committed)
{
	if (committed)
		sagemaker_reconcile_soon(e);
}

int sagemaker_resource_desire(struct engine *e, struct resource_row *row, struct err *reterr)
{
	int r = row->kind == RESOURCE_ENDPOINT ? sagemaker_parity_forget(e, row, reterr) : 0;

	row->next_us = 0;
	turn_after(e, sagemaker_reconcile_on_commit, NULL);
	return r < 0 ? r : store_resource_update(e->store, row, clock_now_us(), reterr);
}

int sagemaker_resource_unwant(struct engine *e, struct resource_row *row, const struct reason *why,
			      struct err *reterr)
{
	row->wanted = false;
	row->reason = *why;
	return sagemaker_resource_desire(e, row, reterr);
}

/* ---- life ---- */

int sagemaker_open(struct engine *e, struct err *reterr)
{
	const struct aws_settings *set = &e->settings->aws;
	struct net_settings net = {
		.ca_bundle = set->config ? aws_config_ca_bundle(set->config) : NULL,
	};
	int r = net_new(&net, &e->net, reterr);

	e->sagemaker = calloc(1, sizeof(*e->sagemaker));
	if (r >= 0 && !e->sagemaker)
		r = err_errno(reterr, ENOMEM, "make the SageMaker target");
	if (r >= 0 && set->config)
		r = aws_new(&(struct aws_options){.config = set->config,
						  .net = e->net,
						  .keys_again_us = set->wait_us},
			    &e->aws, reterr);
	if (r < 0)
		return r;
	if (!e->aws) {
		reason_set(&e->aws_why, REASON_WAITING_FOR_CREDENTIALS, "%s",
			   set->trouble ? set->trouble : "AWS is not configured");
		log_event(LOG_LEVEL_WARNING, "aws_not_configured", "msg=\"%s\"",
			  e->aws_why.message);
	}
	return loop_after_us(e->loop, &e->sagemaker->timer, 0, on_beat, e) < 0
		       ? err_errno(reterr, ENOMEM, "make the SageMaker target")
		       : 0;
}

void sagemaker_free(struct engine *e)
{
	struct sagemaker *c = e->sagemaker;

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
	sagemaker_idles_free(c);
	aws_free(e->aws);
	free(TAKE(e->sagemaker));
}
