/* SPDX-License-Identifier: MIT */
/*
 * Following work/events.ndjson: each chunk of lines becomes rows in one turn together with the
 * new offset, so that a crash neither loses nor doubles a line. What only the end of the
 * execution needs (failure, result, progress) is kept in memory and rebuilt by events_replay().
 */
#include "base/fileio.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint.h"
#include "daemon/execution.h"

#include <math.h>
#include <string.h>

/* Read at most one chunk at `offset` into *out. */
static int read_chunk(const struct execution *ex, int64_t offset, struct buf *out)
{
	OWN(closep) int fd = openat(ex->dirfd, EXECUTION_EVENTS, O_RDONLY | O_CLOEXEC);
	char *to = buf_reserve(out, ENGINE_EVENTS_CHUNK);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!to)
		return -ENOMEM;
	n = pread(fd, to, ENGINE_EVENTS_CHUNK, offset);
	if (n < 0)
		return -errno;
	buf_added(out, (size_t)n);
	return (int)n;
}

/* Memory only: what a line says about the end. */
static void remember(struct execution *ex, enum event_type type, const json_t *event)
{
	enum reason_code code;

	switch (type) {
	case EVENT_FAILURE:
		if (reason_code_parse(json_get_str(event, "code", ""), &code) < 0)
			code = REASON_INTERNAL;
		reason_set(&ex->failure, code, "%s", json_get_str(event, "message", ""));
		break;
	case EVENT_RESULT:
		if (!ex->result)
			ex->result = json_object();
		json_object_update(ex->result, json_object_get(event, "values"));
		break;
	case EVENT_PROGRESS:
		json_decref(ex->progress);
		ex->progress = json_deep_copy(event);
		json_object_del(ex->progress, "v");
		json_object_del(ex->progress, "t");
		json_object_del(ex->progress, "at");
		break;
	case EVENT_READY:
		ex->ready = true;
		break;
	case EVENT_WARNING:
	case EVENT_METRIC:
	case EVENT_CHECKPOINT:
	case EVENT_UNKNOWN:
		break;
	}
}

static int store_plain(struct engine *e, const struct execution *ex, const char *kind,
		       const json_t *event, struct err *reterr)
{
	json_t *body = json_deep_copy(event);

	json_object_del(body, "v");
	json_object_del(body, "t");
	json_object_del(body, "at");
	return store_event(e->store, kind, NULL, ex->row.job[0] ? ex->row.job : NULL,
			   ex->row.endpoint[0] ? ex->row.endpoint : NULL, body, clock_now_us(),
			   reterr);
}

/* A server that was started again has no job: its warnings are events of the endpoint alone. */
static int store_warning(struct engine *e, const struct execution *ex, const json_t *event,
			 struct err *reterr)
{
	if (!ex->row.job[0])
		return store_plain(e, ex, "warning", event, reterr);
	return store_warning_insert(e->store, ex->row.job, ex->row.attempt,
				    json_get_str(event, "code", "warning"),
				    json_get_str(event, "message", ""), clock_now_us(), reterr);
}

/* One line as rows. *metrics counts points, so that they become one event per chunk. */
static int store_line(struct engine *e, struct execution *ex, enum event_type type,
		      const json_t *event, int *metrics, struct err *reterr)
{
	const json_t *values = json_object_get(event, "values");

	switch (type) {
	case EVENT_METRIC:
		if (!ex->row.job[0] || !json_is_object(values))
			return 0;
		(*metrics)++;
		return store_metric_insert(e->store, ex->row.job, ex->row.attempt,
					   json_get_int(event, "at", clock_now_us()),
					   json_get_int(event, "step", 0),
					   json_get_num(event, "epoch", NAN), values, reterr);
	case EVENT_WARNING:
		return store_warning(e, ex, event, reterr);
	case EVENT_CHECKPOINT:
		return store_plain(e, ex, event_type_str(type), event, reterr);
	case EVENT_READY:
		return ex->row.endpoint[0] ? endpoint_server_ready(e, ex, reterr) : 0;
	case EVENT_PROGRESS:
	case EVENT_RESULT:
	case EVENT_FAILURE:
	case EVENT_UNKNOWN:
		return 0;
	}
	return 0;
}

static int say_metrics(struct engine *e, const struct execution *ex, int points, struct err *reterr)
{
	if (!points)
		return 0;
	return store_event(e->store, "metrics", NULL, ex->row.job, NULL,
			   json_pack("{si si}", "points", points, "attempt", ex->row.attempt),
			   clock_now_us(), reterr);
}

static int say_progress(struct engine *e, struct execution *ex, bool changed, struct err *reterr)
{
	int64_t now = clock_mono_us();
	int r;

	if (!changed || !ex->row.job[0] || now - ex->progress_said_us < ENGINE_PROGRESS_US)
		return 0;
	r = store_attempt_set_progress(e->store, ex->row.job, ex->row.attempt, ex->progress,
				       reterr);
	if (r < 0)
		return r;
	ex->progress_said_us = now;
	return store_event(e->store, "progress", NULL, ex->row.job, NULL,
			   json_deep_copy(ex->progress), clock_now_us(), reterr);
}

/* Rows for the whole lines of data; returns how many bytes they were. */
static int64_t store_lines(struct engine *e, struct execution *ex, const char *data, size_t len,
			   struct err *reterr)
{
	size_t at = 0, skip;
	bool progress = false;
	int metrics = 0, r;

	for (;;) {
		OWN(json_decrefp) json_t *event = NULL;
		enum event_type type;

		r = event_next(data + at, len - at, &type, &event, &skip, reterr);
		if (r == 0)
			break;
		at += skip;
		if (r < 0) {
			log_event(LOG_LEVEL_WARNING, "event_line_skipped",
				  "execution=%s msg=\"%s\"", ex->row.id, reterr->msg);
			continue;
		}
		remember(ex, type, event);
		progress |= type == EVENT_PROGRESS;
		r = store_line(e, ex, type, event, &metrics, reterr);
		if (r < 0)
			return r;
	}
	r = say_metrics(e, ex, metrics, reterr);
	if (r >= 0)
		r = say_progress(e, ex, progress, reterr);
	return r < 0 ? r : (int64_t)at;
}

int events_drain(struct engine *e, struct execution *ex)
{
	OWN(buf_done) struct buf chunk = BUF_INIT(ENGINE_EVENTS_CHUNK);
	struct err why = {0};
	int64_t used;
	int n = read_chunk(ex, ex->row.events_offset, &chunk), r;

	if (n <= 0 || !memchr(chunk.data, '\n', chunk.len))
		return n < 0 ? n : 0;
	r = turn_begin(e, &why);
	if (r < 0)
		return r;
	used = store_lines(e, ex, chunk.data, chunk.len, &why);
	r = used < 0 ? (int)used
		     : store_execution_set_offset(e->store, ex->row.id,
						  ex->row.events_offset + used, &why);
	if (r < 0)
		turn_fail(e, r, &why);
	r = turn_end(e, NULL);
	if (r < 0)
		return r;
	ex->row.events_offset += used;
	return n == ENGINE_EVENTS_CHUNK;
}

void events_replay(struct execution *ex)
{
	int64_t at = 0;

	while (at < ex->row.events_offset) {
		OWN(buf_done) struct buf chunk = BUF_INIT(ENGINE_EVENTS_CHUNK);
		int64_t left = ex->row.events_offset - at;
		size_t len, used = 0, skip;

		if (read_chunk(ex, at, &chunk) <= 0)
			return;
		len = (int64_t)chunk.len < left ? chunk.len : (size_t)left;
		for (;;) {
			OWN(json_decrefp) json_t *event = NULL;
			enum event_type type;
			int r = event_next(chunk.data + used, len - used, &type, &event, &skip,
					   NULL);

			if (r == 0)
				break;
			used += skip;
			if (r > 0)
				remember(ex, type, event);
		}
		if (!used)
			return;
		at += (int64_t)used;
	}
}
