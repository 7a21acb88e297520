/* SPDX-License-Identifier: MIT */
/*
 * Finds the parity sample of an endpoint's model, sends its texts in one request, and compares the
 * labels and scores. The result ends or fails the endpoint's start.
 */
#include "daemon/sagemaker/parity.h"

#include "base/fileio.h"
#include "base/log.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/transfers.h"
#include "daemon/sagemaker/update.h"
#include "daemon/schedule/job_state.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define PARITY_V       1
#define PARITY_FILE    "parity.json"
#define ASK_TIMEOUT_US (70 * USEC_PER_SEC) /* SageMaker's own limit is 60 s */
#define TEXT_SHOWN     60
#define TASK	       "text-classification" /* the task of the daemon's requests */
#define PLAIN_TEXT     "a plain text"	     /* sent to a model without a sample */

/* ---- the sample ---- */

/* Read the sample from a local model directory, whoever unpacked it. A user's file may be a link,
 * as in a hub cache; the manager must not block on its target. */
static json_t *read_sample(const char *model)
{
	char path[SPEC_PATH_MAX * 2], real[PATH_MAX];
	OWN(buf_done) struct buf text = BUF_INIT(SAGEMAKER_PARITY_MAX);
	json_t *sample = NULL;
	struct err err = {0};

	if (!path_join(path, sizeof(path), model, PARITY_FILE) || !realpath(path, real))
		return NULL;
	if (roots_read(real, &text, &err) < 0 || /* a text may contain U+0000 */
	    json_parse_nul(buf_str(&text), text.len, &sample, &err) < 0) {
		log_event(LOG_LEVEL_WARNING, "parity_sample_not_read", "path=%s msg=\"%s\"", real,
			  err.msg);
		return NULL;
	}
	return sample;
}

/* The spec of the endpoint's deploy job; NULL if unknown (an adopted endpoint). */
static json_t *find_spec(struct manager *mgr, const struct resource_row *row, char job[ID_LEN])
{
	OWN(job_row_done) struct job_row found = {0};
	json_t *spec = NULL;

	if (sagemaker_deploy_of(mgr, row, job, NULL) < 0 ||
	    store_job_get(mgr->store, job, &found, NULL) < 0 ||
	    job_resolve(mgr, &found, &spec, NULL) < 0)
		return NULL;
	return spec;
}

/* The model's sample: from its local directory, or from the part of a model in S3 that the staging
 * fetched. NULL if there is none. */
static json_t *find_sample(struct manager *mgr, const json_t *spec, const char *job)
{
	OWN(json_decrefp) json_t *results = NULL;
	const char *model = json_get_str(spec, "model", "");
	struct execution_row last;

	if (model[0] == '/')
		return read_sample(model);
	if (store_execution_last(mgr->store, job, &last, NULL) < 0 ||
	    transfer_results_read(last.dir, &results, NULL) < 0)
		return NULL;
	return json_incref(json_object_get(json_object_get(results, "/parity"), PARITY_FILE));
}

/* True for another task: only its user knows its inputs. */
static bool is_other_task(const json_t *spec)
{
	const char *task = json_get_str(json_object_get(spec, "environment"), "HF_TASK", TASK);

	return !str_eq(task, TASK);
}

/* The samples that are a single text; each container has its own form for pairs. */
static json_t *usable(const json_t *sample)
{
	json_t *list = json_array();
	const json_t *s;
	size_t i;

	if (json_get_int(sample, "v", 0) != PARITY_V)
		return list;
	json_array_foreach(json_object_get(sample, "samples"), i, s)
		if (json_is_string(json_object_get(s, "text")) &&
		    !json_is_string(json_object_get(s, "text_pair")) &&
		    json_is_string(json_object_get(s, "label")) &&
		    json_is_number(json_object_get(s, "score")))
			json_array_append(list, (json_t *)s);
	return list;
}

static char *question(const json_t *sample, const json_t *samples)
{
	OWN(json_decrefp) json_t *body = NULL;
	json_t *texts = json_array();
	const json_t *s;
	size_t i;

	json_array_foreach(samples, i, s)
		json_array_append(texts, json_object_get(s, "text"));
	if (!json_array_size(texts))
		json_array_append_new(texts, json_string(PLAIN_TEXT));
	body = json_pack("{so s{sb}}", "inputs", texts, "parameters", "truncation", true);
	if (json_get_int(sample, "max_length", 0) > 0)
		json_object_set(json_object_get(body, "parameters"), "max_length",
				json_object_get(sample, "max_length"));
	return json_text(body);
}

/* ---- the answer ---- */

/* {"label","score"}, or the best item of a list. */
static const json_t *best_of(const json_t *one)
{
	const json_t *best = json_is_array(one) ? json_array_get(one, 0) : one, *other;
	size_t i;

	if (json_is_array(one))
		json_array_foreach(one, i, other)
			if (json_get_num(other, "score", 0) > json_get_num(best, "score", 0))
				best = other;
	return best;
}

static bool compare(const json_t *samples, const json_t *answer, double *ret_max,
		    struct reason *reason)
{
	const json_t *s;
	size_t i;

	*ret_max = 0;
	if (json_array_size(answer) != json_array_size(samples)) {
		reason_set(reason, REASON_PARITY_FAILED,
			   "the parity check failed: the endpoint gave %zu answers to the %zu "
			   "texts of " PARITY_FILE,
			   json_array_size(answer), json_array_size(samples));
		return false;
	}
	json_array_foreach(samples, i, s) {
		const json_t *got = best_of(json_array_get(answer, i));
		const char *want = json_get_str(s, "label", ""), *label;
		double then = json_get_num(s, "score", NAN), now = json_get_num(got, "score", NAN);
		double diff =
			fabs(then - now) / fmax(1, fabs(then)); /* a regression has any number */

		label = json_get_str(got, "label", "");
		if (diff > *ret_max)
			*ret_max = diff;
		/* Near a tie the other label may win. */
		if (diff <= SAGEMAKER_PARITY_TOLERANCE &&
		    (str_eq(label, want) || then < 0.5 + SAGEMAKER_PARITY_TOLERANCE))
			continue;
		reason_set(reason, REASON_PARITY_FAILED,
			   "the endpoint does not answer as the model did after its training: for "
			   "'%.*s' the model answered %s %.4f, and the endpoint answers %s %.4f",
			   TEXT_SHOWN, json_get_str(s, "text", ""), want, then, label, now);
		return false;
	}
	return true;
}

/* True if the answer to one text is a label with a numeric score. A model's own code may use
 * another form, so only a wrong score counts as a failure. */
static bool is_plain_answer(const json_t *answer, struct reason *reason)
{
	const json_t *best = best_of(json_is_array(answer) ? json_array_get(answer, 0) : answer);
	const json_t *score = json_object_get(best, "score");

	if (!json_is_null(score) && (!score || json_is_number(score)))
		return true;
	reason_set(reason, REASON_CONTAINER_FAILED,
		   "the parity check failed: the endpoint's score of a text is not a number");
	return false;
}

static int works(struct manager *mgr, const struct resource_row *row, const struct endpoint_row *ep,
		 json_t *result, struct err *reterr)
{
	return ep->state == ENDPOINT_UPDATING ? sagemaker_update_done(mgr, row, ep, result, reterr)
					      : endpoint_ready(mgr, ep->id, result, reterr);
}

static int does_not_work(struct manager *mgr, const struct endpoint_row *ep,
			 const struct reason *reason, struct err *reterr)
{
	return ep->state == ENDPOINT_UPDATING
		       ? sagemaker_update_undo(mgr, ep->id, reason, reterr)
		       : sagemaker_endpoint_fail(mgr, ep->id, reason, reterr);
}

static json_t *passed(const json_t *samples, double most)
{
	if (!json_array_size(samples))
		return json_pack("{ss ss}", "parity", "skipped", "parity_reason",
				 "the model has no usable " PARITY_FILE
				 "; the endpoint has answered one plain text");
	return json_pack("{ss si so}", "parity", "passed", "parity_rows",
			 (int)json_array_size(samples), "parity_max_diff", json_number(most));
}

static int judge(struct manager *mgr, struct resource_row *row, const struct endpoint_row *ep,
		 const struct sagemaker_call *cc, struct err *reterr)
{
	char job[ID_LEN];
	OWN(json_decrefp) json_t *spec = find_spec(mgr, row, job);
	OWN(json_decrefp) json_t *sample = spec ? find_sample(mgr, spec, job) : NULL;
	OWN(json_decrefp) json_t *samples = usable(sample);
	OWN(json_decrefp) json_t *answer = NULL;
	const struct buf *reply = &cc->call.http.reply;
	struct reason reason;
	double most = 0;
	bool good;

	if (json_parse(reply->data, reply->len, &answer, NULL) < 0) {
		reason_set(&reason, REASON_CONTAINER_FAILED,
			   "the parity check failed: the endpoint's answer is not JSON");
		return does_not_work(mgr, ep, &reason, reterr);
	}
	good = json_array_size(samples) ? compare(samples, answer, &most, &reason)
					: is_plain_answer(answer, &reason);
	if (!good)
		return does_not_work(mgr, ep, &reason, reterr);
	OWN(json_decrefp) json_t *result = passed(samples, most);
	return works(mgr, row, ep, result, reterr);
}

static int failed(struct manager *mgr, struct resource_row *row, const struct endpoint_row *ep,
		  const struct sagemaker_call *cc, struct err *reterr)
{
	struct reason reason;

	int tries = (int)json_get_int(row->answer, SAGEMAKER_ASKED_KEY, 0);

	/* Waiting for credentials or throttling is not the model's fault. */
	tries += cc->call.kind != AWS_ERROR_CREDENTIALS && cc->call.kind != AWS_ERROR_THROTTLED;
	json_object_set_new(row->answer, SAGEMAKER_ASKED_KEY, json_integer(tries));
	row->next_us = clock_now_us() + sagemaker_backoff_us(mgr, tries);
	if (cc->call.kind == AWS_ERROR_MODEL || tries >= SAGEMAKER_PARITY_TRIES) {
		reason_set(&reason,
			   cc->call.kind == AWS_ERROR_MODEL ? REASON_CONTAINER_FAILED
							    : REASON_PREDICT_FAILED,
			   "the endpoint is in service but does not answer: %s%s", cc->call.err.msg,
			   cc->call.kind == AWS_ERROR_MODEL ? SAGEMAKER_LAYOUT_HINT : "");
		return does_not_work(mgr, ep, &reason, reterr);
	}
	return store_resource_update(mgr->store, row, clock_now_us(), reterr);
}

static void parity_on_answer(struct manager *mgr, struct sagemaker_call *cc)
{
	OWN(resource_row_done) struct resource_row row = {0};
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	struct err err = {0};
	int r = txn_begin(mgr, &err);

	if (r < 0)
		return; /* the next check of the endpoint repeats the request */
	r = store_resource_get(mgr->store, cc->row, &row, &err);
	if (r >= 0)
		r = store_endpoint_get(mgr->store, row.endpoint, &ep, &err);
	if (r >= 0 && row.wanted &&
	    (ep.state == ENDPOINT_CREATING || ep.state == ENDPOINT_UPDATING))
		r = cc->call.result == 0 ? judge(mgr, &row, &ep, cc, &err)
					 : failed(mgr, &row, &ep, cc, &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	txn_end(mgr, NULL);
}

/* ---- querying ---- */

static void ask_after(struct manager *mgr, void *arg, bool committed)
{
	struct sagemaker_call *cc = arg;

	if (committed)
		sagemaker_call_send(cc);
	else
		sagemaker_call_free(cc);
}

static int parity_request(struct manager *mgr, const struct resource_row *row, char *body,
			  struct err *reterr)
{
	struct sagemaker_call *cc =
		sagemaker_call_new(mgr, AWS_RUNTIME, "InvokeEndpoint", NULL, NULL);

	if (!cc || !body) {
		free(body);
		if (cc)
			sagemaker_call_free(cc);
		return err_errno(reterr, ENOMEM, "check the endpoint");
	}
	cc->step = SAGEMAKER_STEP_PARITY;
	memcpy(cc->row, row->id, sizeof(cc->row));
	cc->body = body;
	str_assign(cc->text[0], row->region);
	str_must_format(cc->key, sizeof(cc->key), "/endpoints/%s/invocations", row->name);
	cc->call.region = cc->text[0];
	cc->call.method = "POST";
	cc->call.path = cc->key;
	cc->call.headers[cc->call.headers_n++] = "Content-Type: application/json";
	cc->call.headers[cc->call.headers_n++] = "Accept: application/json";
	cc->call.body = body;
	cc->call.body_len = strlen(body);
	cc->call.timeout_us = ASK_TIMEOUT_US;
	cc->answered = parity_on_answer;
	txn_on_commit(mgr, ask_after, cc);
	return 0;
}

int sagemaker_parity_begin(struct manager *mgr, const struct resource_row *row,
			   const struct endpoint_row *ep, struct err *reterr)
{
	char job[ID_LEN];
	OWN(json_decrefp) json_t *spec = ep->job[0] ? find_spec(mgr, row, job) : NULL;
	OWN(json_decrefp) json_t *sample = spec ? find_sample(mgr, spec, job) : NULL;
	OWN(json_decrefp) json_t *samples = usable(sample);
	OWN(json_decrefp) json_t *skipped = NULL;

	if (ep->job[0] && (json_array_size(samples) || !is_other_task(spec)))
		return parity_request(mgr, row, question(sample, samples), reterr);
	skipped = json_pack(
		"{ss ss}", "parity", "skipped", "parity_reason",
		ep->job[0] ? "HF_TASK is another task, whose inputs are not known"
			   : "the endpoint was adopted, and adopted endpoints have no samples");
	return works(mgr, row, ep, skipped, reterr);
}
