/* SPDX-License-Identifier: MIT */
/*
 * Running calls: sent on the net thread, answered on the manager's thread. Also applies each answer
 * to the whole target: pause it, resume it, or reconcile the rows.
 */
#include "base/fault.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/sagemaker/controller.h"

void sagemaker_reconcile_soon(struct manager *mgr)
{
	if (!mgr->sagemaker || mgr->sagemaker->reconcile_queued || mgr->stopping)
		return;
	mgr->sagemaker->reconcile_queued = true;
	loop_again_us(mgr->sagemaker->timer, 0);
}

void sagemaker_reconcile_on_commit(struct manager *mgr, void *arg, bool committed)
{
	if (committed)
		sagemaker_reconcile_soon(mgr);
}

/* ---- pausing the whole target ---- */

/* The credentials were refused: pause the whole target and try again later. */
static void sagemaker_pause(struct manager *mgr, const struct err *err)
{
	struct sagemaker *c = mgr->sagemaker;

	if (c->pause.code == REASON_NONE)
		log_event(LOG_LEVEL_WARNING, "sagemaker_waits", "msg=\"%s\"", err->msg);
	reason_set(&c->pause, REASON_WAITING_FOR_CREDENTIALS, "%s", err->msg);
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
	int64_t poll_us = mgr->settings->aws.poll_us;

	return backoff_us(poll_us < SAGEMAKER_BACKOFF_US ? poll_us : SAGEMAKER_BACKOFF_US,
			  SAGEMAKER_BACKOFF_MAX_US, tries);
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
	cc->call.region = region; /* the caller keeps the text alive; see sagemaker_call_send */
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

/* Runs on the manager's thread. */
static void call_on_answer(struct manager *mgr, struct manager_message *m)
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
		if (mgr->txns_failed == failed) /* otherwise the next resync repeats what is due */
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
	cc->message.fn = call_on_answer;
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
