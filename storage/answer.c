/* SPDX-License-Identifier: MIT */
/* Writes runs and jobs of answers as text, field by field. */
#include "storage/answer.h"

#include "base/clock.h"
#include "base/json_put.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/shape.h"

#include <string.h>

void answer_key(struct buf *out, const char *key)
{
	size_t n = strlen(key);
	char *to = buf_reserve(out, n + 4); /* once, as each row has some 20 keys */

	if (!to)
		return;
	memcpy(to, ",\"", 2);
	memcpy(to + 2, key, n);
	memcpy(to + 2 + n, "\":", 2);
	buf_added(out, n + 4);
}

/* Bytes that are not valid UTF-8 become '?', as in shape_text(). */
static void text_put(struct buf *out, const char *s)
{
	OWN(json_decrefp) json_t *text = NULL;
	size_t n = strlen(s);

	if (str_utf8_valid(s, n)) {
		json_put_string(out, s, n);
		return;
	}
	text = shape_text(s);
	if (text)
		json_put(out, text, JSON_KEYS_IN_ORDER);
	else
		out->failed = true;
}

static void member_text(struct buf *out, const char *key, const char *s)
{
	answer_key(out, key);
	text_put(out, s);
}

static void member_int(struct buf *out, const char *key, int64_t v)
{
	answer_key(out, key);
	json_put_int(out, v);
}

/* Append a member whose value is JSON already. */
static void member_json(struct buf *out, const char *key, const char *json)
{
	answer_key(out, key);
	buf_puts(out, json);
}

void answer_time(struct buf *out, const char *key, int64_t at_us)
{
	char text[CLOCK_TEXT_LEN];

	if (at_us)
		member_text(out, key, clock_format(text, at_us));
	else
		member_json(out, key, "null");
}

static void reason_put(struct buf *out, const char *code, const char *message)
{
	answer_key(out, "reason");
	if (!*code && !*message) {
		buf_puts(out, "null");
		return;
	}
	buf_puts(out, "{\"code\":");
	text_put(out, code);
	member_text(out, "message", message);
	buf_puts(out, "}");
}

static void in_run_put(struct buf *out, const struct job_answer *j)
{
	member_text(out, "kind", j->kind);
	member_text(out, "target", j->target);
	reason_put(out, j->reason_code, j->reason_message);
	member_int(out, "attempt", j->attempt);
	member_int(out, "seq", j->seq);
	member_json(out, "held", j->held ? "true" : "false");
	if (*j->progress)
		member_json(out, "progress", j->progress);
	if (*j->warnings)
		member_json(out, "warnings", j->warnings);
}

static void list_put(struct buf *out, const struct job_answer *j)
{
	member_text(out, "run", j->run);
	member_int(out, "priority", j->priority);
	answer_time(out, "cancel_requested_at", j->cancel_us);
	if (j->pruned_us)
		answer_time(out, "pruned_at", j->pruned_us);
	member_json(out, "tags", j->tags);
	member_json(out, "outputs", j->outputs);
}

/* The fields that all forms of runs and jobs begin with. */
static void head_put(struct buf *out, const char *id, const char *name, const char *state,
		     const int64_t times[3])
{
	buf_puts(out, "{\"id\":");
	text_put(out, id);
	member_text(out, "name", name);
	member_text(out, "state", state);
	answer_time(out, "created_at", times[0]);
	answer_time(out, "started_at", times[1]);
	answer_time(out, "finished_at", times[2]);
}

void answer_job(struct buf *out, const struct job_answer *j, enum job_form form)
{
	head_put(out, j->id, j->name, j->state,
		 (int64_t[]){j->created_us, j->started_us, j->finished_us});
	if (form >= JOB_FORM_IN_RUN)
		in_run_put(out, j);
	if (form >= JOB_FORM_LIST)
		list_put(out, j);
}

void answer_run(struct buf *out, const struct run_answer *r, bool is_short)
{
	head_put(out, r->id, r->name, r->state,
		 (int64_t[]){r->created_us, r->started_us, r->finished_us});
	if (is_short)
		return;
	member_int(out, "seq", r->seq);
	if (r->pruned_us)
		answer_time(out, "pruned_at", r->pruned_us);
	member_json(out, "tags", r->tags);
}
