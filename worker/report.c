/* SPDX-License-Identifier: MIT */
/*
 * Makes a line of each event, appends it with one write(2), and drops frequent kinds when the file
 * is full.
 */
#include "worker/report.h"

#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "wire/event.h"
#include "wire/execution.h"

#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#define PROGRESS_EVERY_US USEC_PER_SEC
#define PHASE_MAX	  32
#define EVENTS_CUT_MESSAGE                                                                  \
	"the events file has the 1 GiB that the daemon reads: later metrics, progress and " \
	"warnings are left out"

struct report {
	int fd;
	pthread_mutex_t lock;
	char phase[PHASE_MAX];
	int64_t phase_started_us, phase_first_done, published_us;
	bool full;	  /* True if frequent lines are no longer written */
	json_t *warnings; /* [{"code","detail","count"}], each code once */
};

int report_open_silent(struct report **ret, struct err *reterr)
{
	struct report *r = calloc(1, sizeof(*r));

	if (!r)
		return err_errno(reterr, ENOMEM, "start a report");
	pthread_mutex_init(&r->lock, NULL);
	r->fd = -1;
	*ret = r;
	return 0;
}

int report_open(int work_at, struct report **ret, struct err *reterr)
{
	struct report *r = calloc(1, sizeof(*r));

	if (!r)
		return err_errno(reterr, ENOMEM, "open the event file");
	pthread_mutex_init(&r->lock, NULL);
	r->fd = openat(work_at, "events.ndjson", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (r->fd < 0) {
		int e = errno;

		free(r);
		return err_errno(reterr, e, "open work/events.ndjson");
	}
	*ret = r;
	return 0;
}

void report_close(struct report *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	pthread_mutex_destroy(&r->lock);
	json_decref(r->warnings);
	free(r);
}

/* Make the line of `event` with v, t and at. Takes over `event`. False if the line is too long. */
static bool line_make(enum event_type type, json_t *event, struct buf *line)
{
	OWN(freep) char *text = NULL;

	json_object_set_new(event, "v", json_integer(WIRE_VERSION));
	json_object_set_new(event, "t", json_string(event_type_str(type)));
	json_object_set_new(event, "at", json_integer(clock_now_us()));
	text = json_text(event);
	json_decref(event);
	return text && buf_puts(line, text) >= 0 && buf_puts(line, "\n") >= 0;
}

static bool comes_often(enum event_type type)
{
	return type == EVENT_METRIC || type == EVENT_PROGRESS || type == EVENT_WARNING ||
	       type == EVENT_CHECKPOINT;
}

static bool has_room(const struct report *r, size_t len)
{
	struct stat st;

	return !r->full && (fstat(r->fd, &st) < 0 ||
			    st.st_size + (int64_t)len <= EVENT_FILE_MAX - EVENT_FILE_ENDS);
}

/* Count the warning. The caller holds the lock. */
static void keep_warning(struct report *r, const char *code, const char *detail)
{
	json_t *warning;
	size_t i;

	json_array_foreach(r->warnings, i, warning)
		if (str_eq(json_get_str(warning, "code", ""), code)) {
			json_object_set_new(warning, "count",
					    json_integer(json_get_int(warning, "count", 0) + 1));
			return;
		}
	if (!r->warnings)
		r->warnings = json_array();
	json_array_append_new(r->warnings,
			      json_pack("{ss ss si}", "code", code, "detail", detail, "count", 1));
}

static void say_full(struct report *r)
{
	OWN(buf_done) struct buf line = BUF_INIT(EVENT_LINE_MAX);

	r->full = true;
	keep_warning(r, "events_cut", EVENTS_CUT_MESSAGE);
	if (line_make(EVENT_WARNING,
		      json_pack("{ss ss}", "code", "events_cut", "message", EVENTS_CUT_MESSAGE),
		      &line))
		(void)!write(r->fd, line.data, line.len);
}

/* Write one line with one write(2). Takes over `event`. The caller holds the lock. */
static void put(struct report *r, enum event_type type, json_t *event)
{
	OWN(buf_done) struct buf line = BUF_INIT(EVENT_LINE_MAX);

	if (!line_make(type, event, &line) || r->fd < 0)
		return;
	if (comes_often(type) && !has_room(r, line.len)) {
		if (!r->full)
			say_full(r);
		return;
	}
	if (write(r->fd, line.data, line.len) < 0 && type == EVENT_FAILURE)
		fprintf(stderr, "%s", line.data);
}

static void put_locked(struct report *r, enum event_type type, json_t *event)
{
	pthread_mutex_lock(&r->lock);
	put(r, type, event);
	pthread_mutex_unlock(&r->lock);
}

void report_progress(struct report *r, const char *phase, const char *unit, int64_t done,
		     int64_t total)
{
	int64_t now = clock_mono_us(), run_us;
	json_t *event;

	pthread_mutex_lock(&r->lock);
	if (!str_eq(r->phase, phase)) {
		str_must_copy(r->phase, sizeof(r->phase), phase);
		r->phase_started_us = now;
		r->phase_first_done = done;
		r->published_us = 0;
	}
	if (done == total || now - r->published_us >= PROGRESS_EVERY_US) {
		r->published_us = now;
		run_us = now - r->phase_started_us;
		event = json_pack("{ss ss sI sI}", "phase", phase, "unit", unit, "done",
				  (json_int_t)done, "total", (json_int_t)total);
		if (run_us > 0 && done > r->phase_first_done) {
			double rate = (double)(done - r->phase_first_done) * 1e6 / (double)run_us;

			json_object_set_new(event, "rate", json_number(rate));
			json_object_set_new(event, "eta_seconds",
					    json_number((double)(total - done) / rate));
		}
		put(r, EVENT_PROGRESS, event);
	}
	pthread_mutex_unlock(&r->lock);
}

void report_metric(struct report *r, int64_t step, double epoch, json_t *values)
{
	put_locked(r, EVENT_METRIC,
		   json_pack("{sI so so}", "step", (json_int_t)step, "epoch", json_number(epoch),
			     "values", values));
}

void report_add_warnings(struct report *r, json_t *values)
{
	OWN(json_decrefp) json_t *copy = NULL;

	pthread_mutex_lock(&r->lock);
	copy = json_deep_copy(r->warnings);
	pthread_mutex_unlock(&r->lock);
	if (copy &&
	    !json_object_get(values, "warnings")) /* keep a script's own metric of that name */
		json_object_set(values, "warnings", copy);
}

void report_warning(struct report *r, const char *code, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	str_vexcerptf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_utf8_mask(text);
	fprintf(stderr, "warning: %s\n", text);
	pthread_mutex_lock(&r->lock);
	keep_warning(r, code, text);
	put(r, EVENT_WARNING, json_pack("{ss ss}", "code", code, "message", text));
	pthread_mutex_unlock(&r->lock);
}

void report_checkpoint(struct report *r, int64_t step, const char *path_in_work)
{
	put_locked(r, EVENT_CHECKPOINT,
		   json_pack("{sI ss}", "step", (json_int_t)step, "path", path_in_work));
}

void report_ready(struct report *r)
{
	put_locked(r, EVENT_READY, json_object());
}

void report_result(struct report *r, json_t *values)
{
	report_add_warnings(r, values);
	put_locked(r, EVENT_RESULT, json_pack("{so}", "values", values));
}

const char *report_code_of(const struct err *e)
{
	switch (e->code) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return "disk_full";
	case ENOMEM:
	case ERR_DEVICE_OOM:
		return "oom";
	case ERR_NUMERIC:
		return "nan_loss";
	case ENOENT:
	case ENOTDIR:
	case EACCES:
	case ERR_NOT_FOUND:
		return "data_missing";
	case ERR_INVALID:
	case ERR_LIMIT:
		return "invalid_input";
	case ERR_CORRUPT:
		return "data_corrupt";
	case ERR_CANCELLED:
		return "cancelled";
	case ERR_UNSUPPORTED:
		return "unsupported";
	default:
		return "internal";
	}
}

void report_failure(struct report *r, const char *code, const struct err *e)
{
	json_t *event =
		json_pack("{ss ss}", "code", code ? code : report_code_of(e), "message", e->msg);

	if (e->field[0])
		json_object_set_new(event, "field", json_string(e->field));
	put_locked(r, EVENT_FAILURE, event);
}
