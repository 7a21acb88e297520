/* SPDX-License-Identifier: MIT */
/* The answer to a submit, made of what was submitted: equal to what the readers would answer at the
 * commit, but without a query. */
#include "storage/answer.h"

#include "base/json_put.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/shape.h"

#include <string.h>

#define JOBS_PREFIX "/jobs/"

enum job_state job_first_state(const struct job_spec *js)
{
	return js->needs_n ? STATE_BLOCKED : STATE_QUEUED;
}

void job_first_reason(const struct run_spec *rs, const struct job_spec *js, struct reason *ret)
{
	size_t used;

	reason_set(ret, REASON_NONE, "%s", "");
	if (js->needs_n)
		reason_set(ret, REASON_WAITING_FOR_JOBS, "waits for");
	else if (js->held)
		reason_set(ret, REASON_HELD, "held until it is released");
	for (size_t i = 0; i < js->needs_n; i++) {
		used = strlen(ret->message);
		str_excerptf(ret->message + used, sizeof(ret->message) - used, "%s %s",
			     i ? "," : "", rs->jobs[js->needs[i].job].name);
	}
}

size_t submit_warning_job(const char **pointer, size_t jobs_n)
{
	const char *rest = *pointer + sizeof(JOBS_PREFIX) - 1;
	size_t index = 0;

	if (!str_starts(*pointer, JOBS_PREFIX))
		return 0;
	for (; *rest >= '0' && *rest <= '9' && index < jobs_n; rest++)
		index = index * 10 + (size_t)(*rest - '0');
	if (index >= jobs_n)
		return 0;
	*pointer = rest;
	return index;
}

static json_t *warnings_of(const struct run_spec *rs, size_t job)
{
	json_t *list = json_array();
	const json_t *warning;
	size_t i;

	json_array_foreach(rs->warnings, i, warning) {
		const char *pointer = json_get_str(warning, "pointer", "");

		if (submit_warning_job(&pointer, rs->jobs_n) == job)
			json_array_append_new(
				list, json_pack("{s:s, s:s, s:o, s:i}", "code", SUBMIT_WARNING,
						"pointer", pointer, "detail",
						shape_text(json_get_str(warning, "detail", "")),
						"count", 1));
	}
	return list;
}

/* Append JSON as the database stores it. */
static void stored_put(struct buf *out, const json_t *j)
{
	json_put(out, j, JSON_KEYS_SORTED);
}

static void job_put(struct buf *out, const struct run_spec *rs, const struct submitted *at,
		    size_t i, enum job_form form)
{
	const struct job_spec *js = &rs->jobs[i];
	OWN(buf_done) struct buf tags = BUF_INIT(SIZE_MAX / 2), warnings = BUF_INIT(SIZE_MAX / 2);
	OWN(json_decrefp) json_t *list = warnings_of(rs, i);
	struct reason reason;

	job_first_reason(rs, js, &reason);
	stored_put(&tags, js->tags);
	if (json_array_size(list))
		json_put(&warnings, list, JSON_KEYS_IN_ORDER);
	answer_job(out,
		   &(struct job_answer){
			   .id = at->jobs[i],
			   .run = at->run,
			   .name = js->name,
			   .kind = job_kind_str(js->kind),
			   .target = job_target_str(js->target),
			   .state = job_state_str(job_first_state(js)),
			   .reason_code = reason_code_str(reason.code),
			   .reason_message = reason.message,
			   .created_us = at->created_us,
			   .priority = js->priority,
			   .seq = at->jobs_seq + (int64_t)i,
			   .held = js->held,
			   .progress = "",
			   .warnings = buf_str(&warnings),
			   .tags = buf_str(&tags),
			   .outputs = "{}",
		   },
		   form);
	out->failed |= !list || tags.failed || warnings.failed;
}

/* The names of the jobs that job `js` needs, in the order of the rows: a name once for each
 * outcome. */
static void needs_put(struct buf *out, const struct run_spec *rs, const struct job_spec *js)
{
	unsigned char outcomes[SPEC_JOBS_MAX] = {0};
	const char *comma = "";

	for (size_t i = 0; i < js->needs_n; i++)
		outcomes[js->needs[i].job] |= (unsigned char)(1u << js->needs[i].when);
	buf_puts(out, "[");
	for (size_t i = 0; i < rs->jobs_n; i++)
		for (unsigned bits = outcomes[i]; bits; bits &= bits - 1) {
			const char *name = rs->jobs[i].name;

			buf_puts(out, comma);
			json_put_string(out, name, strlen(name));
			comma = ",";
		}
	buf_puts(out, "]");
}

void answer_submitted_run(struct buf *out, const struct run_spec *rs, const struct submitted *at)
{
	OWN(buf_done) struct buf tags = BUF_INIT(SIZE_MAX / 2);

	stored_put(&tags, rs->tags);
	answer_run(out,
		   &(struct run_answer){
			   .id = at->run,
			   .name = rs->name,
			   .state = run_state_str(RUN_QUEUED),
			   .created_us = at->created_us,
			   .seq = at->seq,
			   .tags = buf_str(&tags),
		   },
		   false);
	answer_key(out, "jobs");
	buf_puts(out, "[");
	for (size_t i = 0; i < rs->jobs_n; i++) {
		buf_puts(out, i ? "," : "");
		job_put(out, rs, at, i, JOB_FORM_IN_RUN);
		answer_key(out, "needs");
		needs_put(out, rs, &rs->jobs[i]);
		buf_puts(out, "}");
	}
	buf_puts(out, "]");
	out->failed |= tags.failed;
}

void answer_submitted_job(struct buf *out, const struct run_spec *rs, const struct submitted *at)
{
	job_put(out, rs, at, 0, JOB_FORM_LIST);
	answer_key(out, "spec");
	stored_put(out, rs->jobs[0].spec);
}
