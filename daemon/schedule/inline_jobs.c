/* SPDX-License-Identifier: MIT */
/*
 * Jobs that run inside the daemon: predict (one request, waits while the endpoint starts) and
 * delete-endpoint (ends when the endpoint is gone). Manager's thread.
 */
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/schedule/job_state.h"
#include "jobs/spec/predict.h"

#include <string.h>

#define PREDICT_AGAIN_US  500000    /* delay while the endpoint is not in service */
#define PREDICT_REPLY_MAX (1 << 20) /* bytes kept as the job's output */

/* ---- predict ---- */

struct predict {
	struct manager_message message; /* must be first: the manager casts back */
	struct manager *manager;
	char job[ID_LEN];
	int attempt;
	char endpoint[SPEC_NAME_MAX + 1];
	char *body;
	size_t too_many;    /* number of inputs if a local endpoint refuses so many; else 0 */
	int64_t give_up_us; /* deadline, monotonic */
	sd_event_source *again;
	struct invocation inv;
	struct predict *next;
};

static void predict_free(struct predict *p)
{
	for (struct predict **at = &p->manager->predicts; *at; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			break;
		}
	}
	loop_drop(&p->again);
	invocation_clear(&p->inv);
	free(p->body);
	free(p);
}

static int predict_end(struct manager *mgr, struct predict *p, enum job_state to,
		       const struct reason *reason, const json_t *outputs, struct err *reterr)
{
	OWN(job_row_done) struct job_row job = {0};
	int r = store_job_get(mgr->store, p->job, &job, reterr);

	if (r < 0 || job_state_is_final(job.state) || job.attempt != p->attempt)
		return r < 0 ? r : 0;
	return job_finish(mgr, &job, to, reason, outputs, reterr);
}

static int on_again(sd_event_source *s, uint64_t at, void *userdata);

/* Ends the job in a separate transaction and frees p. If that cannot be written, the request is
 * repeated. */
static void predict_done(struct predict *p, enum job_state to, const struct reason *reason,
			 const json_t *outputs)
{
	struct manager *mgr = p->manager;
	struct err err = {0};
	int r = txn_begin(mgr, &err);

	if (r >= 0) {
		r = predict_end(mgr, p, to, reason, outputs, &err);
		if (r < 0)
			txn_fail(mgr, r, &err);
		r = txn_end(mgr, NULL);
	}
	if (r < 0 && !mgr->stopping)
		loop_after_us(mgr->loop, &p->again, PREDICT_AGAIN_US, on_again, p);
	else
		predict_free(p);
}

static void predict_failed(struct predict *p, enum reason_code code, const char *words)
{
	struct reason reason;

	reason_set(&reason, code, "%s", words);
	predict_done(p, STATE_FAILED, &reason, NULL);
}

static void predict_answered(struct predict *p)
{
	OWN(json_decrefp) json_t *answer = NULL;
	OWN(json_decrefp) json_t *outputs = NULL;
	struct reason none = {0};
	char words[REASON_MSG_MAX];

	if (p->inv.status != 200) {
		str_excerptf(words, sizeof(words), "endpoint '%s' answered %d: %.*s", p->endpoint,
			     p->inv.status, (int)(p->inv.reply_len < 700 ? p->inv.reply_len : 700),
			     p->inv.reply ? p->inv.reply : "");
		predict_failed(p, REASON_PREDICT_FAILED, words);
		return;
	}
	if (json_parse(p->inv.reply, p->inv.reply_len, &answer, NULL) < 0) {
		predict_failed(p, REASON_PREDICT_FAILED, "the endpoint's answer is not JSON");
		return;
	}
	outputs = json_pack("{sO}", "predictions", answer);
	predict_done(p, STATE_SUCCEEDED, &none, outputs);
}

static void predict_try(struct predict *p);

static int on_again(sd_event_source *s, uint64_t at, void *userdata)
{
	predict_try(userdata);
	return 0;
}

static void predict_later(struct predict *p, const char *words)
{
	if (clock_mono_us() >= p->give_up_us || p->manager->stopping) {
		predict_failed(p, REASON_PREDICT_FAILED, words);
		return;
	}
	loop_after_us(p->manager->loop, &p->again, PREDICT_AGAIN_US, on_again, p);
}

/* Runs on the manager's thread after the response. */
static void predict_on_answer(struct manager *mgr, struct manager_message *m)
{
	struct predict *p = (struct predict *)m;

	if (mgr->stopping)
		/* the job is still running in the database: the next start repeats the request */
		predict_free(p);
	else if (p->inv.result == 0)
		predict_answered(p);
	else
		predict_later(p, p->inv.err.msg);
}

static void on_relayed(struct invocation *inv)
{
	struct predict *p = inv->userdata;

	manager_post(p->manager, &p->message);
}

/* True if the endpoint, which was unknown at the submit, does not accept so many inputs; the job
 * has then failed. */
static bool predict_refused(struct predict *p)
{
	char words[REASON_MSG_MAX];
	enum job_target target;

	if (!p->too_many || !live_name_taken(p->manager, p->endpoint, &target) ||
	    target != TARGET_LOCAL)
		return false;
	snprintf(words, sizeof(words), "/inputs: " SPEC_INPUTS_TEXT, p->too_many,
		 SPEC_INPUTS_LOCAL_MAX);
	predict_failed(p, REASON_INVALID_INPUT, words);
	return true;
}

static void predict_try(struct predict *p)
{
	struct err err = {0};
	int r;

	if (predict_refused(p))
		return;
	invocation_clear(&p->inv);
	p->inv = (struct invocation){
		.body = p->body,
		.body_len = strlen(p->body),
		.reply_max = PREDICT_REPLY_MAX,
		.done = on_relayed,
		.userdata = p,
	};
	p->message.fn = predict_on_answer;
	str_assign(p->inv.endpoint, p->endpoint);
	r = manager_invoke(p->manager, &p->inv, &err);
	if (r == -ERR_NOT_FOUND)
		predict_failed(p, REASON_ENDPOINT_MISSING, err.msg);
	else if (r == -EMSGSIZE)
		predict_failed(p, REASON_INVALID_INPUT, err.msg);
	else if (r < 0)
		predict_later(p, err.msg);
}

static void predict_after(struct manager *mgr, void *arg, bool committed)
{
	struct predict *p = arg;

	if (committed)
		predict_try(p);
	else
		predict_free(p);
}

static int predict_start(struct manager *mgr, const struct job_row *job, const json_t *spec,
			 struct err *reterr)
{
	struct predict *p = calloc(1, sizeof(*p));

	if (!p || !(p->body = spec_predict_body(spec)))
		abort();
	p->manager = mgr;
	p->next = mgr->predicts;
	mgr->predicts = p;
	memcpy(p->job, job->id, sizeof(p->job));
	p->attempt = job->attempt;
	str_must_copy(p->endpoint, sizeof(p->endpoint), json_get_str(spec, "endpoint", ""));
	p->too_many = spec_inputs_over(spec, TARGET_LOCAL);
	p->give_up_us = clock_mono_us() + mgr->settings->predict_timeout_us;
	txn_on_commit(mgr, predict_after, p);
	return 0;
}

void predicts_free(struct manager *mgr)
{
	while (mgr->predicts)
		predict_free(mgr->predicts);
}

/* ---- delete-endpoint ---- */

static int delete_start(struct manager *mgr, const struct job_row *job, const json_t *spec,
			struct err *reterr)
{
	const char *name = json_get_str(spec, "endpoint", "");
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	struct reason reason;
	struct err missing = {0};
	int r = store_endpoint_find(mgr->store, name, &ep, &missing);

	if (r == -ERR_NOT_FOUND) {
		reason_set(&reason, REASON_ENDPOINT_MISSING,
			   "there is no live endpoint named '%s'; deploy it, or correct the name",
			   name);
		return job_finish(mgr, job, STATE_FAILED, &reason, NULL, reterr);
	}
	if (r < 0) {
		*reterr = missing;
		return r;
	}
	/* endpoint_gone finishes this job after the endpoint's end. */
	return endpoint_delete(mgr, &ep, REASON_DELETED_BY_USER,
			       "a delete-endpoint job deleted the endpoint", reterr);
}

/* ---- both ---- */

int action_start(struct manager *mgr, const struct job_row *job, const json_t *spec,
		 struct err *reterr)
{
	OWN(json_decrefp) json_t *asked = NULL;
	struct job_row now = *job; /* borrows its JSON */
	struct reason none = {0};
	int r = store_attempt_set_state(mgr->store, job->id, job->attempt, ATTEMPT_RUNNING, &none,
					clock_now_us(), reterr);

	if (r >= 0)
		r = job_move(mgr, job->id, STATE_STARTING, STATE_RUNNING, &none, reterr);
	if (r < 0)
		return r;
	now.state = STATE_RUNNING;
	if (job->kind == JOB_PREDICT)
		return predict_start(mgr, &now, spec, reterr);
	asked = json_pack("{ss}", "endpoint", json_get_str(spec, "endpoint", ""));
	r = store_job_set_outputs(mgr->store, job->id, asked, reterr);
	return r < 0 ? r : delete_start(mgr, &now, spec, reterr);
}

int action_resume(struct manager *mgr, const struct job_row *job, struct err *reterr)
{
	OWN(json_decrefp) json_t *spec = NULL;
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	struct reason none = {0}, gone;
	struct err err = {0};
	int r;

	if (job->kind == JOB_PREDICT) {
		if (job_resolve(mgr, job, &spec, &err) >= 0)
			return predict_start(mgr, job, spec, reterr);
		reason_set(&gone, REASON_DATA_MISSING, "%s", err.msg);
		return job_finish(mgr, job, STATE_FAILED, &gone, NULL, reterr);
	}
	r = store_endpoint_find(mgr->store, json_get_str(job->outputs, "endpoint", ""), &ep,
				reterr);
	if (r == -ERR_NOT_FOUND)
		return job_finish(mgr, job, STATE_SUCCEEDED, &none, job->outputs, reterr);
	return r < 0 ? r
		     : endpoint_delete(mgr, &ep, REASON_DELETED_BY_USER,
				       "a delete-endpoint job deleted the endpoint", reterr);
}
