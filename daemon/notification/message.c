/* SPDX-License-Identifier: MIT */
/* Picks the events that people want to know, and reads what their messages say from the database
 * and from the log. The notifier's thread runs this. */
#include "daemon/notification/message.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/notification/notify_settings.h"
#include "jobs/state.h"
#include "wire/logfile.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#define JOBS_SHOWN    20
#define METRICS_SHOWN 8

json_t *message_make(enum notify_kind kind, const char *id, int64_t at_us, bool urgent,
		     const char *title, const char *text)
{
	char at[CLOCK_TEXT_LEN], host[HOST_NAME_MAX + 1] = "", cut[MESSAGE_TEXT_MAX];

	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	str_utf8_mask(host);
	(void)!str_excerpt(cut, sizeof(cut), text);
	return json_pack("{ss ss ss ss ss ss sb}", "id", id, "event", notify_kind_str(kind), "at",
			 clock_format(at, at_us), "host", host, "title", title, "text", cut,
			 "urgent", urgent);
}

/* ---- parts of the text ---- */

/* "JOB failed (script_error): message", with the numbers of an evaluation. */
static void put_job(struct buf *text, const json_t *job)
{
	const json_t *reason = json_object_get(job, "reason");
	const json_t *metrics = json_object_get(json_object_get(job, "outputs"), "metrics");
	const char *key;
	json_t *value;
	int shown = 0;

	buf_printf(text, "\n%s %s", json_get_str(job, "name", "?"),
		   json_get_str(job, "state", "?"));
	if (json_is_object(reason))
		buf_printf(text, " (%s): %s", json_get_str(reason, "code", ""),
			   json_get_str(reason, "message", ""));
	json_object_foreach((json_t *)metrics, key, value) {
		OWN(freep) char *number = json_is_number(value) ? json_text(value) : NULL;

		if (number && str_starts(key, "eval_") && shown < METRICS_SHOWN)
			buf_printf(text, "%s%s %s", shown++ ? ", " : ": ", key, number);
	}
}

/* " after 1h5m" */
static void put_duration(struct buf *text, const json_t *item)
{
	int64_t from, to;
	char took[32];

	if (clock_parse(json_get_str(item, "started_at", ""), &from) < 0 ||
	    clock_parse(json_get_str(item, "finished_at", ""), &to) < 0 || to < from)
		return;
	to = (to - from + USEC_PER_SEC / 2) / USEC_PER_SEC * USEC_PER_SEC;
	buf_printf(text, " after %s", duration_format(took, to ? to : USEC_PER_SEC));
}

/* The last lines of the log of the job's newest attempt; NULL if there are none. */
static json_t *log_end(const struct notify_settings *set, struct store_reader *sr, const char *job)
{
	struct logfile lf = LOGFILE_CLOSED;
	struct attempt_dir place;
	char text[MESSAGE_LOG_MAX + 1];
	ssize_t n = 0;
	int64_t size, from;

	if (!set->log_lines || store_read_attempt_dir(sr, job, 0, &place, NULL) < 0 ||
	    !place.dir[0] || logfile_open(&lf, place.dir, NULL) < 0)
		return NULL;
	size = logfile_size(&lf);
	from = logfile_tail(&lf, set->log_lines);
	lf.offset = from < size - MESSAGE_LOG_MAX ? size - MESSAGE_LOG_MAX : from;
	if (size > 0)
		n = logfile_read(&lf, size, text, MESSAGE_LOG_MAX);
	logfile_close(&lf);
	if (n <= 0)
		return NULL;
	text[n] = '\0';
	for (char *c = text; c < text + n; c++) /* a log may have any bytes */
		if (!*c)
			*c = '?';
	str_utf8_mask(text);
	return json_string(text);
}

/* ---- kinds ---- */

static void set_id(char *id, size_t size, struct store_reader *sr, const json_t *event)
{
	str_must_format(id, size, "%s-%" PRId64, store_reader_generation(sr),
			json_get_int(event, "seq", 0));
}

static json_t *make(enum notify_kind kind, struct store_reader *sr, const json_t *event,
		    bool urgent, const char *title, const struct buf *text)
{
	char id[64];
	int64_t at;

	if (clock_parse(json_get_str(event, "at", ""), &at) < 0)
		at = clock_now_us();
	set_id(id, sizeof(id), sr, event);
	return message_make(kind, id, at, urgent, title, buf_str(text));
}

/* The first job of the run that failed by itself; NULL: none did. */
static const json_t *failed_job(const json_t *jobs)
{
	json_t *job;
	size_t i;

	json_array_foreach((json_t *)jobs, i, job)
		if (str_eq(json_get_str(job, "state", ""), job_state_str(STATE_FAILED)))
			return job;
	return NULL;
}

static void put_jobs(struct buf *text, struct store_reader *sr, const json_t *jobs)
{
	json_t *job;
	size_t i;

	json_array_foreach((json_t *)jobs, i, job) {
		OWN(json_decrefp) json_t *whole = NULL;

		if (i == JOBS_SHOWN) {
			buf_printf(text, "\n… and %zu more jobs", json_array_size(jobs) - i);
			return;
		}
		put_job(text, store_read_job(sr, json_get_str(job, "id", ""), &whole, NULL) < 0
				      ? job
				      : whole);
	}
}

static int of_run(const struct notify_settings *set, struct store_reader *sr, const json_t *event,
		  json_t **ret, struct err *reterr)
{
	const char *id = json_get_str(event, "run", ""), *to = json_get_str(event, "to", "");
	bool failed = str_eq(to, run_state_str(RUN_FAILED));
	OWN(buf_done) struct buf text = BUF_INIT(1 << 20);
	OWN(json_decrefp) json_t *run = NULL;
	const json_t *jobs, *job;
	char title[SPEC_NAME_MAX + 64];
	int r = store_read_run(sr, id, &run, reterr);

	if (r < 0)
		return r == -ERR_NOT_FOUND ? 0 : r; /* it was deleted since */
	jobs = json_object_get(run, "jobs");
	job = failed_job(jobs);
	str_must_format(title, sizeof(title), "%s %s", json_get_str(run, "name", ""), to);
	buf_printf(&text, "The run %s %s", id, to);
	put_duration(&text, run);
	put_jobs(&text, sr, jobs);
	*ret = make(NOTIFY_RUN_ENDED, sr, event, failed, title, &text);
	json_object_set_new(*ret, "run",
			    json_pack("{ss ss ss}", "id", id, "name", json_get_str(run, "name", ""),
				      "state", to));
	if (failed && job) {
		json_object_set(*ret, "job", (json_t *)job);
		json_object_set_new(*ret, "log", log_end(set, sr, json_get_str(job, "id", "")));
	}
	return 0;
}

/* The message of a failed job. None if its run has ended: the run's message names the job. */
static int of_job(const struct notify_settings *set, struct store_reader *sr, const json_t *event,
		  json_t **ret, struct err *reterr)
{
	const char *id = json_get_str(event, "job", "");
	OWN(buf_done) struct buf text = BUF_INIT(1 << 16);
	OWN(json_decrefp) json_t *run = NULL, *job = NULL;
	char title[2 * SPEC_NAME_MAX + 64];
	const char *state;
	int r = store_read_run(sr, json_get_str(event, "run", ""), &run, reterr);

	if (r >= 0)
		r = store_read_job(sr, id, &job, reterr);
	if (r < 0)
		return r == -ERR_NOT_FOUND ? 0 : r;
	state = json_get_str(run, "state", "");
	if (!str_eq(state, run_state_str(RUN_RUNNING)) && !str_eq(state, run_state_str(RUN_QUEUED)))
		return 0;
	str_must_format(title, sizeof(title), "%s: %s failed", json_get_str(run, "name", ""),
			json_get_str(job, "name", ""));
	buf_printf(&text, "The job %s of the run %s failed", id, json_get_str(run, "id", ""));
	put_duration(&text, job);
	put_job(&text, job);
	*ret = make(NOTIFY_JOB_FAILED, sr, event, true, title, &text);
	json_object_set_new(*ret, "run",
			    json_pack("{ss ss ss}", "id", json_get_str(run, "id", ""), "name",
				      json_get_str(run, "name", ""), "state", state));
	json_object_del(job, "spec");
	json_object_set(*ret, "job", job);
	json_object_set_new(*ret, "log", log_end(set, sr, id));
	return 0;
}

/* Only an endpoint that answered before: the failure of a deploy is that of its job. */
static int of_endpoint(struct store_reader *sr, const json_t *event, json_t **ret,
		       struct err *reterr)
{
	const char *name = json_get_str(event, "name", "");
	OWN(buf_done) struct buf text = BUF_INIT(1 << 16);
	OWN(json_decrefp) json_t *endpoint = NULL;
	const json_t *reason = json_object_get(event, "reason");
	char title[SPEC_NAME_MAX + 64];
	int r = store_read_endpoint(sr, name, &endpoint, reterr);

	if (r < 0)
		return r == -ERR_NOT_FOUND ? 0 : r;
	if (!json_is_string(json_object_get(endpoint, "in_service_at")))
		return 0;
	str_must_format(title, sizeof(title), "endpoint %s failed", name);
	buf_printf(&text, "The endpoint %s answers no more: %s", name,
		   json_get_str(reason, "message", "the reason is not known"));
	*ret = make(NOTIFY_ENDPOINT_FAILED, sr, event, true, title, &text);
	json_object_set(*ret, "endpoint", endpoint);
	return 0;
}

int message_of_event(const struct notify_settings *set, struct store_reader *sr,
		     const json_t *event, json_t **ret, struct err *reterr)
{
	const char *kind = json_get_str(event, "kind", ""), *to = json_get_str(event, "to", "");

	*ret = NULL;
	if (str_eq(kind, "run_state") && (set->kinds & 1u << NOTIFY_RUN_ENDED) &&
	    (str_eq(to, run_state_str(RUN_FAILED)) || str_eq(to, run_state_str(RUN_SUCCEEDED))))
		return of_run(set, sr, event, ret, reterr);
	if (str_eq(kind, "job_state") && (set->kinds & 1u << NOTIFY_JOB_FAILED) &&
	    str_eq(to, job_state_str(STATE_FAILED)))
		return of_job(set, sr, event, ret, reterr);
	if (str_eq(kind, "endpoint_state") && (set->kinds & 1u << NOTIFY_ENDPOINT_FAILED) &&
	    str_eq(to, endpoint_state_str(ENDPOINT_FAILED)))
		return of_endpoint(sr, event, ret, reterr);
	return 0;
}
