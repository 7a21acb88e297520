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

const struct cloud_driver *const cloud_drivers[CLOUD_KINDS_] = {
	[CLOUD_TRAINING_JOB] = &cloud_training_driver,
	[CLOUD_MODEL] = &cloud_model_driver,
	[CLOUD_ENDPOINT_CONFIG] = &cloud_config_driver,
	[CLOUD_ENDPOINT] = &cloud_endpoint_driver,
};

/* ---- calls ---- */

void cloud_call_free(struct cloud_call *cc)
{
	aws_call_done(&cc->call);
	json_decref(cc->input);
	free(cc->body);
	free(cc);
}

struct cloud_call *cloud_call_new(struct engine *e, enum aws_service service, const char *operation,
				  const char *region, json_t *input)
{
	struct cloud_call *cc = calloc(1, sizeof(*cc));

	if (!cc) {
		json_decref(input);
		return NULL;
	}
	cc->engine = e;
	cc->input = input;
	aws_call_init(&cc->call, service, operation);
	cc->call.region = region; /* the caller makes it last, see cloud_call_send */
	cc->call.input = input;
	cc->call.userdata = cc;
	return cc;
}

static void unlink_call(struct engine *e, struct cloud_call *cc)
{
	struct cloud_call **at = &e->cloud->calls;

	while (*at && *at != cc)
		at = &(*at)->next;
	if (*at)
		*at = cc->next;
}

/* On the engine thread. */
static void on_answer(struct engine *e, struct engine_message *m)
{
	struct cloud_call *cc = (struct cloud_call *)m;
	uint64_t failed = e->turns_failed;

	FAULT("cloud.call.answered");
	unlink_call(e, cc);
	if (!e->stopping) {
		if (cc->call.kind == AWS_ERROR_CREDENTIALS)
			cloud_pause(e, &cc->call.err);
		else if (cc->call.result == 0)
			cloud_resume(e);
		cc->answered(e, cc);
		if (e->turns_failed == failed) /* else what is due is asked at the next beat */
			cloud_kick(e);
	}
	cloud_call_free(cc);
}

static void on_done(struct aws_call *c)
{
	struct cloud_call *cc = c->userdata;

	engine_post(cc->engine, &cc->message);
}

void cloud_call_send(struct cloud_call *cc)
{
	struct engine *e = cc->engine;

	cc->next = e->cloud->calls;
	e->cloud->calls = cc;
	cc->message.fn = on_answer;
	cc->call.done = on_done;
	FAULT("cloud.call.before");
	aws_send(e->aws, &cc->call);
	FAULT("cloud.call.sent");
}

bool cloud_is_busy(const struct engine *e, const char *row, bool logs)
{
	for (const struct cloud_call *cc = e->cloud->calls; cc; cc = cc->next)
		if (str_eq(cc->row, row) && (cc->step == CLOUD_STEP_LOGS) == logs)
			return true;
	return false;
}

/* ---- the whole target waits ---- */

void cloud_pause(struct engine *e, const struct err *why)
{
	struct cloud *c = e->cloud;

	if (c->pause.code == REASON_NONE)
		log_event(LOG_LEVEL_WARNING, "sagemaker_waits", "msg=\"%s\"", why->msg);
	reason_set(&c->pause, REASON_WAITING_FOR_CREDENTIALS, "%s", why->msg);
	c->pause_until_us = clock_mono_us() + e->settings->aws.wait_us;
}

void cloud_resume(struct engine *e)
{
	struct cloud *c = e->cloud;

	if (c->pause.code == REASON_NONE)
		return;
	log_event(LOG_LEVEL_INFO, "sagemaker_goes_on", "was=\"%s\"", c->pause.message);
	c->pause = (struct reason){0};
	engine_want_schedule(e);
	cloud_kick(e);
}

int64_t cloud_backoff_us(const struct engine *e, int tries)
{
	int64_t us = e->settings->aws.poll_us < CLOUD_BACKOFF_US ? e->settings->aws.poll_us
								 : CLOUD_BACKOFF_US;

	for (int i = 1; i < tries && us < CLOUD_BACKOFF_MAX_US; i++)
		us *= 2;
	return us < CLOUD_BACKOFF_MAX_US ? us : CLOUD_BACKOFF_MAX_US;
}

/* ---- steps ---- */

/* NULL: no memory, or a name that the service does not take. */
static struct cloud_call *update_of(struct engine *e, const struct cloud_row *row)
{
	struct sagemaker_endpoint endpoint = {
		.name = row->name,
		.config_name = cloud_config_wanted(row),
	};
	struct err why = {0};
	json_t *body = NULL;

	if (sagemaker_endpoint_update_request(&endpoint, &body, &why) < 0) {
		log_event(LOG_LEVEL_ERROR, "cloud_update", "name=%s msg=\"%s\"", row->name,
			  why.msg);
		return NULL;
	}
	return cloud_call_new(e, AWS_SAGEMAKER, "UpdateEndpoint", NULL, body);
}

static json_t *name_only(const struct cloud_row *row)
{
	return json_pack("{ss}", cloud_drivers[row->kind]->name_key, row->name);
}

static struct cloud_call *call_of_step(struct engine *e, const struct cloud_row *row,
				       enum cloud_step step)
{
	const struct cloud_driver *d = cloud_drivers[row->kind];

	switch (step) {
	case CLOUD_STEP_CREATE:
		return cloud_call_new(e, AWS_SAGEMAKER, d->create, NULL, json_incref(row->request));
	case CLOUD_STEP_DESCRIBE:
		return cloud_call_new(e, AWS_SAGEMAKER, d->describe, NULL, name_only(row));
	case CLOUD_STEP_END:
		return cloud_call_new(e, AWS_SAGEMAKER, d->end, NULL, name_only(row));
	case CLOUD_STEP_UPDATE:
		return update_of(e, row);
	case CLOUD_STEP_TAGS:
		return cloud_call_new(
			e, AWS_SAGEMAKER, "ListTags", NULL,
			json_pack("{ss si}", "ResourceArn", row->arn, "MaxResults", 100));
	case CLOUD_STEP_LOGS:
	case CLOUD_STEP_LOOKUP:
	case CLOUD_STEP_PARITY:
		break;
	}
	return NULL;
}

/* Written down before anything is sent: from now on it may exist. 1: send it; 0: it is no longer to
 * be made. */
static int note_create(struct engine *e, struct cloud_row *row)
{
	OWN(cloud_row_done) struct cloud_row now = {0};
	struct err why = {0};
	bool send;
	int r = turn_begin(e, &why);

	if (r < 0)
		return r;
	r = store_cloud_get(e->store, row->id, &now, &why);
	send = r >= 0 && now.state == CLOUD_PLANNED && now.wanted;
	if (send) {
		now.sent_us = clock_now_us();
		r = store_cloud_update(e->store, &now, now.sent_us, &why);
	}
	if (r < 0)
		turn_fail(e, r, &why);
	return turn_end(e, NULL) >= 0 && send;
}

void cloud_step(struct engine *e, struct cloud_row *row, enum cloud_step step)
{
	bool fresh = row->sent_us == 0;
	struct cloud_call *cc;

	if (step == CLOUD_STEP_CREATE && note_create(e, row) <= 0)
		return; /* the next beat looks again */
	cc = call_of_step(e, row, step);
	if (!cc)
		return;
	cc->step = step;
	cc->fresh = fresh;
	memcpy(cc->row, row->id, sizeof(cc->row));
	str_copy(cc->text[0], sizeof(cc->text[0]), row->region);
	cc->call.region = cc->text[0];
	cc->answered = cloud_answered;
	cloud_call_send(cc);
}

/* Never sent and no longer wanted: it never was. */
static void drop_planned(struct engine *e, struct cloud_row *row)
{
	struct err why = {0};
	int r;

	if (turn_begin(e, &why) < 0)
		return;
	r = cloud_row_over(e, row, CLOUD_REFUSED, &row->reason, &why);
	if (r < 0)
		turn_fail(e, r, &why);
	turn_end(e, NULL);
}

static bool may(struct engine *e, const struct cloud_row *row, bool create)
{
	const struct cloud_driver *d = cloud_drivers[row->kind];
	struct err why = {0};
	int r = d->may ? d->may(e, row, create, &why) : 1;

	if (r < 0)
		log_event(LOG_LEVEL_WARNING, "cloud_row_not_judged", "cloud=%s msg=\"%s\"", row->id,
			  why.msg);
	return r > 0;
}

static void look_at(struct engine *e, struct cloud_row *row)
{
	switch (row->state) {
	case CLOUD_PLANNED:
		if (row->sent_us)
			cloud_step(e, row, CLOUD_STEP_DESCRIBE);
		else if (!row->wanted)
			drop_planned(e, row);
		else if (may(e, row, true))
			cloud_step(e, row, CLOUD_STEP_CREATE);
		break;
	case CLOUD_PRESENT:
		/* Its end was refused, and may have come by itself. */
		if (row->wanted || (row->tries % 2 && cloud_drivers[row->kind]->polled))
			cloud_step(e, row, CLOUD_STEP_DESCRIBE);
		else if (may(e, row, false))
			cloud_step(e, row, CLOUD_STEP_END);
		break;
	case CLOUD_ENDING: /* accepted, but nothing came of it: ask again */
		cloud_step(e, row,
			   row->tries > 0 && row->tries % END_AGAIN == 0 ? CLOUD_STEP_END
									 : CLOUD_STEP_DESCRIBE);
		break;
	case CLOUD_ENDED:
	case CLOUD_REFUSED:
	case CLOUD_STATES_:
		break;
	}
}

static bool is_due(const struct engine *e, const struct cloud_row *row, int64_t now)
{
	return row->next_us <= now && !cloud_is_busy(e, row->id, false);
}

static int64_t look_at_all(struct engine *e)
{
	OWN(cloud_rows_done) struct cloud_rows rows = {0};
	int64_t now = clock_now_us(), next = now + CLOUD_BEAT_US;
	struct err why = {0};

	if (store_cloud_live(e->store, &rows, &why) < 0) {
		log_event(LOG_LEVEL_ERROR, "cloud_not_read", "msg=\"%s\"", why.msg);
		return CLOUD_BEAT_US;
	}
	for (size_t i = 0; i < rows.n; i++) {
		if (e->ends_only && rows.rows[i].wanted)
			continue;
		cloud_log_look(e, &rows.rows[i]);
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
	int64_t wait = CLOUD_BEAT_US;

	e->cloud->kicked = false;
	if (e->ready && e->aws && clock_mono_us() >= e->cloud->pause_until_us)
		wait = look_at_all(e);
	if (!e->cloud->kicked)
		loop_after_us(e->loop, &e->cloud->timer, wait, on_beat, e);
	return 0;
}

void cloud_kick(struct engine *e)
{
	if (!e->cloud || e->cloud->kicked || e->stopping)
		return;
	e->cloud->kicked = true;
	loop_after_us(e->loop, &e->cloud->timer, 0, on_beat, e);
}

void cloud_kick_after(struct engine *e, void *arg, bool committed)
{
	if (committed)
		cloud_kick(e);
}

int cloud_row_turn(struct engine *e, struct cloud_row *row, struct err *reterr)
{
	int r = row->kind == CLOUD_ENDPOINT ? cloud_parity_forget(e, row, reterr) : 0;

	row->next_us = 0;
	turn_after(e, cloud_kick_after, NULL);
	return r < 0 ? r : store_cloud_update(e->store, row, clock_now_us(), reterr);
}

int cloud_row_unwant(struct engine *e, struct cloud_row *row, const struct reason *why,
		     struct err *reterr)
{
	row->wanted = false;
	row->reason = *why;
	return cloud_row_turn(e, row, reterr);
}

/* ---- life ---- */

int cloud_open(struct engine *e, struct err *reterr)
{
	const struct aws_settings *set = &e->settings->aws;
	struct net_settings net = {
		.ca_bundle = set->config ? aws_config_ca_bundle(set->config) : NULL,
	};
	int r = net_new(&net, &e->net, reterr);

	e->cloud = calloc(1, sizeof(*e->cloud));
	if (r >= 0 && !e->cloud)
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
	return loop_after_us(e->loop, &e->cloud->timer, 0, on_beat, e) < 0
		       ? err_errno(reterr, ENOMEM, "make the SageMaker target")
		       : 0;
}

void cloud_free(struct engine *e)
{
	struct cloud *c = e->cloud;

	if (!c)
		return;
	loop_drop(&c->timer);
	while (c->calls) {
		struct cloud_call *cc = c->calls;

		c->calls = cc->next;
		cloud_call_free(cc);
	}
	cloud_lookups_free(c);
	cloud_tails_free(c);
	cloud_idles_free(c);
	aws_free(e->aws);
	free(TAKE(e->cloud));
}
