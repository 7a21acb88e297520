/* SPDX-License-Identifier: MIT */
/*
 * Appends CloudWatch logs of a training job to its attempt's log file. A page's lines are written
 * after the committed bytes; then the forward token and the new size are committed together. After
 * a crash the uncommitted bytes are cut off and written again, so that no line is lost or repeated.
 * The end of a stream is a repeated token, never an empty page (GetLogEvents in the CloudWatch Logs
 * API reference). Manager's thread.
 */
#include "base/log.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/feed.h"
#include "daemon/sagemaker/controller.h"
#include "daemon/sagemaker/log_file.h"
#include "daemon/sagemaker/log_page.h"
#include "daemon/sagemaker/log_tail.h"

#include <string.h>

#define LOG_PAGE 10000

/* ---- a round: the list of streams, then each stream to its end ---- */

static void log_on_answer(struct manager *mgr, struct sagemaker_call *cc);

static void log_request(struct manager *mgr, const struct resource_row *row, const char *operation,
			json_t *input, const char *stream)
{
	struct sagemaker_call *cc = sagemaker_call_new(mgr, AWS_LOGS, operation, NULL, input);

	if (!cc)
		return;
	cc->step = SAGEMAKER_STEP_LOGS;
	memcpy(cc->row, row->id, sizeof(cc->row));
	str_must_copy(cc->key, sizeof(cc->key), stream);
	str_assign(cc->text[0], row->region);
	cc->call.region = cc->text[0];
	cc->answered = log_on_answer;
	sagemaker_call_send(cc);
}

static void ask_streams(struct manager *mgr, const struct resource_row *row, const char *token)
{
	char prefix[RESOURCE_NAME_MAX + 2];
	json_t *input;

	str_must_format(prefix, sizeof(prefix), "%s/", row->name);
	input = json_pack("{ss ss si}", "logGroupName", SAGEMAKER_LOG_GROUP, "logStreamNamePrefix",
			  prefix, "limit", 50);
	if (token[0])
		json_object_set_new(input, "nextToken", json_string(token));
	log_request(mgr, row, "DescribeLogStreams", input, "");
}

static void ask_events(struct manager *mgr, const struct resource_row *row,
		       const struct log_stream *s)
{
	json_t *input =
		json_pack("{ss ss si sb}", "logGroupName", SAGEMAKER_LOG_GROUP, "logStreamName",
			  s->stream, "limit", LOG_PAGE, "startFromHead", true);

	if (s->token[0])
		json_object_set_new(input, "nextToken", json_string(s->token));
	log_request(mgr, row, "GetLogEvents", input, s->stream);
}

static void end_round(struct manager *mgr, struct sagemaker_tail *t)
{
	if (!t->news && !t->blocked)
		t->clean_us = t->round_us;
	t->stream[0] = '\0';
	t->next_us = clock_mono_us() + mgr->settings->aws.poll_us;
}

/* Select the next stream; after the last one the round is over. */
static void next_stream(struct manager *mgr, struct sagemaker_tail *t,
			const struct resource_row *row)
{
	OWN(log_streams_done) struct log_streams all = {0};
	size_t i = 0;

	if (store_log_streams(mgr->store, row->id, &all, NULL) < 0) {
		t->blocked = true;
		end_round(mgr, t);
		return;
	}
	while (i < all.n && t->stream[0] && strcmp(all.items[i].stream, t->stream) <= 0)
		i++;
	if (i == all.n) {
		end_round(mgr, t);
		return;
	}
	str_assign(t->stream, all.items[i].stream);
	ask_events(mgr, row, &all.items[i]);
}

void sagemaker_log_follow(struct manager *mgr, const struct resource_row *row)
{
	struct sagemaker_tail *t;

	if (row->kind != RESOURCE_TRAINING_JOB || row->state == RESOURCE_PLANNED || !row->job[0] ||
	    sagemaker_call_is_open(mgr, row->id, true))
		return;
	t = sagemaker_tail_find(mgr, row);
	if (!t || t->searched || clock_mono_us() < t->next_us)
		return;
	t->round_us = clock_mono_us();
	t->news = t->blocked = false;
	ask_streams(mgr, row, "");
}

/* ---- answers ---- */

static int find_stream(struct manager *mgr, const struct resource_row *row, const char *name,
		       struct log_stream *ret, struct err *reterr)
{
	OWN(log_streams_done) struct log_streams all = {0};
	int r = store_log_streams(mgr->store, row->id, &all, reterr);

	for (size_t i = 0; r >= 0 && i < all.n; i++) {
		if (str_eq(all.items[i].stream, name)) {
			*ret = all.items[i];
			return 1;
		}
	}
	*ret = (struct log_stream){0};
	if (!str_copy(ret->stream, sizeof(ret->stream), name))
		return err_set(reterr, ERR_CORRUPT,
			       "CloudWatch names a log stream of more than %d characters",
			       LOG_STREAM_MAX);
	return r < 0 ? r : 0;
}

static int store_list(struct manager *mgr, const struct resource_row *row, const json_t *output,
		      struct err *reterr)
{
	const json_t *stream;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(output, "logStreams"), i, stream) {
		struct log_stream s;

		r = find_stream(mgr, row, json_get_str(stream, "logStreamName", ""), &s, reterr);
		if (r == 0)
			r = store_log_stream_set(mgr->store, row->id, &s, row->log_size, reterr);
		if (r < 0)
			break;
	}
	return r < 0 ? r : 0;
}

/* A token lives for 24 hours. Without it the stream is read from its beginning, and known events
 * are skipped. */
static bool forget_token(struct manager *mgr, const struct resource_row *row,
			 const struct sagemaker_call *cc)
{
	struct log_stream s;
	struct err err = {0};
	int r;

	if (cc->call.kind != AWS_ERROR_INVALID || !json_object_get(cc->input, "nextToken") ||
	    !cc->key[0] || txn_begin(mgr, &err) < 0)
		return false;
	r = find_stream(mgr, row, cc->key, &s, &err);
	s.token[0] = '\0';
	if (r >= 0)
		r = store_log_stream_set(mgr->store, row->id, &s, row->log_size, &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	if (txn_end(mgr, NULL) < 0)
		return false;
	ask_events(mgr, row, &s);
	return true;
}

/* Report a lasting trouble of the log once, as a warning of the job. */
static void warn(struct manager *mgr, struct sagemaker_tail *t, const struct resource_row *row,
		 const char *code, const char *message)
{
	struct err err = {0};
	int r;

	if (t->warned || txn_begin(mgr, NULL) < 0)
		return;
	r = store_warning_insert(mgr->store, row->job, row->attempt, code, message, clock_now_us(),
				 &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	t->warned = txn_end(mgr, NULL) >= 0;
}

static void warn_long_token(struct manager *mgr, struct sagemaker_tail *t,
			    const struct resource_row *row)
{
	char text[192];

	str_must_format(text, sizeof(text),
			"the log and the metrics here are incomplete: CloudWatch answered with a "
			"token of more than %d bytes; the rest is in CloudWatch",
			LOG_TOKEN_MAX);
	warn(mgr, t, row, "log_incomplete", text);
}

bool sagemaker_log_is_drained(struct manager *mgr, const struct resource_row *row)
{
	struct sagemaker_tail *t = row->job[0] ? sagemaker_tail_find(mgr, row) : NULL;
	int64_t now = clock_mono_us();

	if (!t)
		return true;
	if (!t->over_us)
		t->over_us = now;
	if (t->clean_us >= t->over_us + mgr->settings->aws.log_drain_us)
		return true;
	if (now - t->over_us <= mgr->settings->aws.log_give_up_us)
		return false;
	warn(mgr, t, row, "log_incomplete",
	     "the log and the metrics here may be incomplete: CloudWatch did not answer until "
	     "aws.log_give_up_ms was over; the rest is in CloudWatch");
	return true;
}

/* A missing group or stream means an empty log. */
static void trouble(struct manager *mgr, struct sagemaker_tail *t, const struct resource_row *row,
		    const struct aws_call *c)
{
	t->blocked = c->kind != AWS_ERROR_NOT_FOUND && c->kind != AWS_ERROR_DENIED;
	if (c->kind == AWS_ERROR_DENIED)
		warn(mgr, t, row, "log_denied", c->err.msg);
	end_round(mgr, t);
}

static void give_up_round(struct manager *mgr, struct sagemaker_tail *t)
{
	t->blocked = true;
	sagemaker_metrics_free(TAKE(t->metrics)); /* what they have given up was not stored */
	end_round(mgr, t);
}

static void on_streams(struct manager *mgr, struct sagemaker_tail *t,
		       const struct resource_row *row, const json_t *output)
{
	const char *token = json_get_str(output, "nextToken", "");
	struct err err = {0};
	int r;

	if (txn_begin(mgr, &err) < 0)
		return;
	r = store_list(mgr, row, output, &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	if (txn_end(mgr, NULL) < 0)
		give_up_round(mgr, t);
	else if (token[0])
		ask_streams(mgr, row, token);
	else
		next_stream(mgr, t, row);
}

/* The number of this page's events that are already in the log, if an expired token made the stream
 * start from its beginning. */
static size_t known_of(const struct sagemaker_tail *t, const struct log_stream *s,
		       const struct log_page *p)
{
	int64_t n = (int64_t)json_array_size(p->events);
	int64_t known = s->events - (p->asked[0] ? t->skipped : 0);

	return s->token[0] ? 0 : (size_t)(known < n ? known : n);
}

static void store_page(struct manager *mgr, struct sagemaker_tail *t,
		       const struct resource_row *row, const struct log_page *p)
{
	struct log_stream s = {0};
	struct err err = {0};
	bool again;
	int r;

	if (txn_begin(mgr, &err) < 0)
		return;
	r = find_stream(mgr, row, p->stream, &s, &err);
	if (!s.token[0])
		t->skipped = (p->asked[0] ? t->skipped : 0) + (int64_t)p->known;
	again = !s.token[0] && t->skipped < s.events;
	if (r >= 0)
		r = log_page_store(mgr, row, p, t->metrics, &s, again, &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	if (txn_end(mgr, NULL) < 0) {
		give_up_round(mgr, t);
		return;
	}
	t->news |= json_array_size(p->events) > p->known;
	feed_wake(mgr->feed, t->job);
	if (r > 0)
		ask_events(mgr, row, &s);
	else
		next_stream(mgr, t, row);
}

static void on_searched(struct manager *mgr, struct manager_message *m)
{
	OWN(resource_row_done) struct resource_row row = {0};
	struct log_page *p = (struct log_page *)m;
	struct sagemaker_tail *t = mgr->stopping ? NULL : sagemaker_tail_known(mgr, p->row);

	if (t) {
		t->searched = false;
		t->metrics = TAKE(p->metrics);
	}
	if (t && p->result < 0) {
		log_event(LOG_LEVEL_ERROR, "log_not_searched", "resource=%s msg=\"%s\"", p->row,
			  p->err.msg);
		give_up_round(mgr, t);
	} else if (t && store_resource_get(mgr->store, p->row, &row, NULL) >= 0 &&
		   !resource_state_is_final(row.state)) {
		store_page(mgr, t, &row, p);
	}
	log_page_free(p);
}

/* 1: it is with the search thread, 0: it is to be stored. */
static int search_page(struct manager *mgr, struct sagemaker_tail *t,
		       const struct resource_row *row, struct log_page *p, struct err *reterr)
{
	struct log_stream s;
	int r = t->metrics ? 0 : sagemaker_metrics_open(mgr, row, &t->metrics, reterr);

	if (r >= 0)
		r = find_stream(mgr, row, p->stream, &s, reterr);
	if (r < 0)
		return r;
	p->known = known_of(t, &s, p);
	if (p->known == json_array_size(p->events) ||
	    !sagemaker_metrics_searches(t->metrics, row, p->stream))
		return 0;
	r = log_page_search(p, t->metrics, on_searched, reterr);
	if (r < 0)
		return r;
	t->metrics = NULL;
	t->searched = true;
	return 1;
}

static void on_events(struct manager *mgr, struct sagemaker_tail *t, const struct resource_row *row,
		      const struct sagemaker_call *cc)
{
	struct log_page *p = log_page_new(mgr, cc);
	struct err err = {0};
	int r = p ? 0 : err_errno(&err, ENOMEM, "read a page of the log");

	if (p && p->has_long_token)
		warn_long_token(mgr, t, row);
	if (p && !json_array_size(p->events) && log_page_is_last(p)) {
		next_stream(mgr, t, row);
		log_page_free(p);
		return;
	}
	if (r >= 0)
		r = search_page(mgr, t, row, p, &err);
	if (r < 0) {
		log_event(LOG_LEVEL_ERROR, "log_not_read", "resource=%s msg=\"%s\"", row->id,
			  err.msg);
		give_up_round(mgr, t);
	} else if (r == 0) {
		store_page(mgr, t, row, p);
	}
	if (r <= 0)
		log_page_free(p);
}

static void log_on_answer(struct manager *mgr, struct sagemaker_call *cc)
{
	OWN(resource_row_done) struct resource_row row = {0};
	struct sagemaker_tail *t;
	struct err err = {0};

	if (store_resource_get(mgr->store, cc->row, &row, &err) < 0 ||
	    resource_state_is_final(row.state))
		return;
	t = sagemaker_tail_find(mgr, &row);
	if (!t)
		return;
	if (cc->call.result < 0) {
		if (!forget_token(mgr, &row, cc))
			trouble(mgr, t, &row, &cc->call);
	} else if (cc->key[0]) {
		on_events(mgr, t, &row, cc);
	} else {
		on_streams(mgr, t, &row, cc->call.output);
	}
}
