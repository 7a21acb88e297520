/* SPDX-License-Identifier: MIT */
/*
 * Reads work/events.ndjson. Each chunk of lines becomes rows in one transaction with the new
 * offset, so that a crash neither loses nor repeats a line. Data for the end of the execution
 * (failure, result, progress) stays in memory and is read again after a restart. Manager's thread.
 */
#include "base/beneath.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/schedule/headroom.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#define EVENTS_CUT_MESSAGE                                                                      \
	"the events file is larger than the 1 GiB that the daemon reads: later lines are left " \
	"out, "                                                                                 \
	"except for the last ones"

/* Open the file. Returns 0, or 1 if the job has made the file unreadable (reterr says how), or
 * negative to try again later. */
static int open_events(const struct execution *ex, int *ret_fd, int64_t *ret_size,
		       struct err *reterr)
{
	struct stat st = {0};
	int r = beneath_open(ex->dirfd, EXECUTION_EVENTS, BENEATH_NO_LINKS, INT64_MAX, ret_fd, &st,
			     reterr);

	*ret_size = st.st_size;
	return r < 0 && r != -EIO && !headroom_is_missing(r) ? 1 : r;
}

/* Read at most one chunk of [offset, end) into *out. */
static int read_chunk(int fd, int64_t offset, int64_t end, struct buf *out)
{
	char *to = buf_reserve(out, MANAGER_EVENTS_CHUNK);
	int64_t want = end - offset < MANAGER_EVENTS_CHUNK ? end - offset : MANAGER_EVENTS_CHUNK;
	ssize_t n;

	if (!to)
		return -ENOMEM;
	if (want <= 0)
		return 0;
	n = pread(fd, to, (size_t)want, offset);
	if (n < 0)
		return -errno;
	buf_added(out, (size_t)n);
	return (int)n;
}

/* Keep the data of a line for the end of the execution; memory only. */
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
	case EVENT_WARNING:
	case EVENT_METRIC:
	case EVENT_CHECKPOINT:
	case EVENT_UNKNOWN:
		break;
	}
}

static int store_plain(struct manager *mgr, const struct execution *ex, const char *kind,
		       const json_t *event, struct err *reterr)
{
	json_t *body = json_deep_copy(event);

	json_object_del(body, "v");
	json_object_del(body, "t");
	json_object_del(body, "at");
	return store_event(mgr->store, kind, NULL, ex->row.job[0] ? ex->row.job : NULL,
			   ex->row.endpoint[0] ? ex->row.endpoint : NULL, body, clock_now_us(),
			   reterr);
}

/* A restarted server has no job, so its warnings are events of the endpoint only. */
static int store_warning(struct manager *mgr, const struct execution *ex, const json_t *event,
			 struct err *reterr)
{
	if (!ex->row.job[0])
		return store_plain(mgr, ex, "warning", event, reterr);
	return store_warning_insert(mgr->store, ex->row.job, ex->row.attempt,
				    json_get_str(event, "code", "warning"),
				    json_get_str(event, "message", ""), clock_now_us(), reterr);
}

/* Store one line as rows. *metrics counts points, so that a chunk writes only one event for
 * them. */
static int store_line(struct manager *mgr, struct execution *ex, enum event_type type,
		      const json_t *event, int *metrics, struct err *reterr)
{
	const json_t *values = json_object_get(event, "values");

	switch (type) {
	case EVENT_METRIC:
		if (!ex->row.job[0] || !json_is_object(values))
			return 0;
		(*metrics)++;
		return store_metric_insert(mgr->store, ex->row.job, ex->row.attempt,
					   json_get_int(event, "at", clock_now_us()),
					   json_get_int(event, "step", 0),
					   json_get_num(event, "epoch", NAN), values, reterr);
	case EVENT_WARNING:
		return store_warning(mgr, ex, event, reterr);
	case EVENT_CHECKPOINT:
		return store_plain(mgr, ex, event_type_str(type), event, reterr);
	case EVENT_READY:
		return ex->row.endpoint[0] ? endpoint_server_ready(mgr, ex, reterr) : 0;
	case EVENT_PROGRESS:
	case EVENT_RESULT:
	case EVENT_FAILURE:
	case EVENT_UNKNOWN:
		return 0;
	}
	return 0;
}

static int say_metrics(struct manager *mgr, const struct execution *ex, int points,
		       struct err *reterr)
{
	if (!points)
		return 0;
	return store_event(mgr->store, "metrics", NULL, ex->row.job, NULL,
			   json_pack("{si si}", "points", points, "attempt", ex->row.attempt),
			   clock_now_us(), reterr);
}

static int say_progress(struct manager *mgr, struct execution *ex, bool changed, struct err *reterr)
{
	int64_t now = clock_mono_us();
	int r;

	if (!changed || !ex->row.job[0] || now - ex->progress_published_us < MANAGER_PROGRESS_US)
		return 0;
	r = store_attempt_set_progress(mgr->store, ex->row.job, ex->row.attempt, ex->progress,
				       reterr);
	if (r < 0)
		return r;
	ex->progress_published_us = now;
	return store_event(mgr->store, "progress", NULL, ex->row.job, NULL,
			   json_deep_copy(ex->progress), clock_now_us(), reterr);
}

/* Store the whole lines of `data` as rows. Returns their size in bytes. */
static int64_t store_lines(struct manager *mgr, struct execution *ex, const char *data, size_t len,
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
			if (++ex->lines_skipped == 1) /* execution_drop() reports the number */
				log_event(LOG_LEVEL_WARNING, "event_line_skipped",
					  "execution=%s msg=\"%s\"", ex->row.id, reterr->msg);
			continue;
		}
		remember(ex, type, event);
		progress |= type == EVENT_PROGRESS;
		r = store_line(mgr, ex, type, event, &metrics, reterr);
		if (r < 0)
			return r;
	}
	r = say_metrics(mgr, ex, metrics, reterr);
	if (r >= 0)
		r = say_progress(mgr, ex, progress, reterr);
	return r < 0 ? r : (int64_t)at;
}

/* Write the daemon's own warning about an execution's events, in a separate transaction. */
static int say_trouble(struct manager *mgr, const struct execution *ex, const char *code,
		       const char *message)
{
	OWN(json_decrefp) json_t *event = NULL;
	struct err err;
	int r = txn_begin(mgr, &err);

	if (r < 0)
		return r;
	event = json_pack("{ss ss}", "code", code, "message", message);
	r = store_warning(mgr, ex, event, &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	return txn_end(mgr, NULL);
}

/* Report once that the execution's events are unreadable. */
static int say_unreadable(struct manager *mgr, struct execution *ex, struct err *err)
{
	int r;

	if (ex->events_refused || err->code == ENOENT)
		return 0;
	err_ctx(err, -err->code, "progress, metrics and the result of the job are lost");
	r = say_trouble(mgr, ex, "events_unreadable", err->msg);
	ex->events_refused = r >= 0;
	return r;
}

/* Read one chunk before the row's offset for the end's data; memory only. */
static int replay_chunk(struct execution *ex, int fd)
{
	OWN(buf_done) struct buf chunk = BUF_INIT(MANAGER_EVENTS_CHUNK);
	size_t used = 0, skip;
	int r;

	if (ex->row.events_offset - ex->replayed > MANAGER_EVENTS_MAX)
		ex->replayed = ex->row.events_offset - MANAGER_EVENTS_TAIL;
	r = read_chunk(fd, ex->replayed, ex->row.events_offset, &chunk);

	if (r < 0)
		return r;
	for (;;) {
		OWN(json_decrefp) json_t *event = NULL;
		enum event_type type;

		r = event_next(chunk.data + used, chunk.len - used, &type, &event, &skip, NULL);
		if (r == 0)
			break;
		used += skip;
		if (r > 0)
			remember(ex, type, event);
	}
	/* No whole line is left: the file was truncated or replaced. */
	ex->replayed = used ? ex->replayed + (int64_t)used : ex->row.events_offset;
	return 1;
}

/* The offset at which reading stops now. Bytes after the end of the execution are not its own. If
 * the file exceeds MANAGER_EVENTS_MAX, its last part is read, because failure and result are
 * there. */
static int64_t stop_at(struct execution *ex, int64_t size, bool ended)
{
	int64_t tail = size - MANAGER_EVENTS_TAIL;

	if (ended && !ex->events_end) {
		ex->events_end = size;
		if (tail >= MANAGER_EVENTS_MAX && tail > ex->row.events_offset)
			ex->row.events_offset = ex->replayed = tail;
	}
	if (ex->events_end)
		return ex->events_end;
	return size < MANAGER_EVENTS_MAX ? size : MANAGER_EVENTS_MAX;
}

static int store_chunk(struct manager *mgr, struct execution *ex, const struct buf *chunk)
{
	struct err err = {0};
	int r = txn_begin(mgr, &err);
	int64_t used;

	if (r < 0)
		return r;
	used = store_lines(mgr, ex, chunk->data, chunk->len, &err);
	r = used < 0 ? (int)used
		     : store_execution_set_offset(mgr->store, ex->row.id,
						  ex->row.events_offset + used, &err);
	if (r < 0)
		txn_fail(mgr, r, &err);
	r = txn_end(mgr, NULL);
	if (r < 0)
		return r;
	ex->row.events_offset += used;
	ex->replayed = ex->row.events_offset;
	return 0;
}

int events_drain(struct manager *mgr, struct execution *ex, bool ended)
{
	OWN(buf_done) struct buf chunk = BUF_INIT(MANAGER_EVENTS_CHUNK);
	OWN(closep) int fd = -1;
	struct err err = {0};
	int64_t size, end;
	int r = open_events(ex, &fd, &size, &err), n;

	if (r != 0)
		return r < 0 ? r : say_unreadable(mgr, ex, &err);
	if (ex->replayed < ex->row.events_offset)
		return replay_chunk(ex, fd);
	end = stop_at(ex, size, ended);
	if (size > MANAGER_EVENTS_MAX && !ex->events_cut) {
		r = say_trouble(mgr, ex, "events_cut", EVENTS_CUT_MESSAGE);
		ex->events_cut = r >= 0;
	}
	if (r >= 0)
		r = n = read_chunk(fd, ex->row.events_offset, end, &chunk);
	if (r <= 0)
		return r;
	if (memchr(chunk.data, '\n', chunk.len)) {
		r = store_chunk(mgr, ex, &chunk);
		return r < 0 ? r : ex->row.events_offset < end && n == MANAGER_EVENTS_CHUNK;
	}
	if (chunk.len <= EVENT_LINE_MAX)
		return 0;
	ex->row.events_offset +=
		(int64_t)chunk.len; /* a line that is too long; the next transaction with a row also
				       stores this offset */
	ex->replayed = ex->row.events_offset;
	return ex->row.events_offset < end;
}
