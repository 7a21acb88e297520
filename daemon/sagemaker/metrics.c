/* SPDX-License-Identifier: MIT */
/*
 * Reads metrics from logs. A user's script is read by its metric_definitions, as worker/script does
 * on the local target. Trainyard's own script (worker/sagemaker_script) prints event lines of
 * wire/event.h after EVENT_LOG_PREFIX; they have the steps and the progress that Trainer's own
 * lines lack. Manager's thread.
 */
#include "daemon/sagemaker/metrics.h"
#include "base/own.h"
#include "base/str.h"
#include "jobs/log_metrics.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

struct sagemaker_metrics {
	bool scripted;			 /* a user's script: its lines are searched */
	json_t *definitions;		 /* metric_definitions; owned */
	struct log_metrics *expressions; /* the search thread's: compiled with the first page */
	bool resumes; /* True if an attempt continues from the previous attempt's checkpoints */
};

/* A line with values. */
struct found_line {
	int64_t at_us;
	json_t *values;
};

struct sagemaker_found {
	struct found_line *lines;
	size_t n, allocated;
	struct slow_metrics slow;  /* the names are the sagemaker_metrics' */
	int64_t until_us, skipped; /* until_us: of the thread's CPU time */
};

/* What one page brings. */
struct page {
	struct manager *manager;
	const struct resource_row *row;
	struct err *reterr;
	int64_t at_us, step;
	int points;
	json_t *progress; /* the newest; owned */
};

void sagemaker_metrics_free(struct sagemaker_metrics *m)
{
	if (!m)
		return;
	log_metrics_free(m->expressions);
	json_decref(m->definitions);
	free(m);
}

int sagemaker_metrics_open(struct manager *mgr, const struct resource_row *row,
			   struct sagemaker_metrics **ret, struct err *reterr)
{
	OWN(job_row_done) struct job_row job = {0};
	struct sagemaker_metrics *m;
	int r = store_job_get(mgr->store, row->job, &job, reterr);

	if (r < 0)
		return r;
	m = calloc(1, sizeof(*m));
	if (!m)
		return err_errno(reterr, ENOMEM, "read the metrics of a log");
	m->scripted = json_object_get(job.spec, "entry_point") != NULL;
	m->definitions = json_incref(json_object_get(job.spec, "metric_definitions"));
	m->resumes = json_object_get(job.spec, "checkpoint") != NULL;
	*ret = m;
	return 0;
}

bool sagemaker_metrics_is_event(const struct sagemaker_metrics *m, const char *line)
{
	return !m->scripted && str_starts(line, EVENT_LOG_PREFIX);
}

/* ---- lines of a user's script, on the search thread ---- */

void sagemaker_found_free(struct sagemaker_found *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		json_decref(f->lines[i].values);
	free(f->lines);
	free(f);
}

/* Takes `values` over. */
static int found_add(struct sagemaker_found *f, int64_t at_us, json_t *values)
{
	if (f->n == f->allocated) {
		size_t n = f->allocated ? f->allocated * 2 : 64;
		struct found_line *lines = reallocarray(f->lines, n, sizeof(*lines));

		if (!lines) {
			json_decref(values);
			return -ENOMEM;
		}
		f->lines = lines;
		f->allocated = n;
	}
	f->lines[f->n++] = (struct found_line){at_us, values};
	return 0;
}

static int search_line(struct sagemaker_metrics *m, struct sagemaker_found *f, int64_t at_us,
		       const char *line, size_t len, const _Atomic bool *stop)
{
	int64_t began_us = clock_thread_us();
	size_t slow_n = f->slow.n;
	json_t *values;

	if (f->n == SAGEMAKER_METRICS_PAGE_MAX || began_us >= f->until_us) {
		f->skipped++;
		return 0;
	}
	values = log_metrics_read(m->expressions, line, len, stop, &f->slow);
	if (f->slow.n > slow_n) /* the others are not to suffer for what is given up */
		f->until_us += clock_thread_us() - began_us;
	return values ? found_add(f, at_us, values) : 0;
}

/* Split a message into lines like the local worker: a carriage return ends a line, too (progress
 * bars). */
static int search_message(struct sagemaker_metrics *m, struct sagemaker_found *f, int64_t at_us,
			  const char *text, const _Atomic bool *stop)
{
	int r = 0;

	while (r >= 0 && *text && !*stop) {
		size_t len = strcspn(text, "\r\n");

		if (len)
			r = search_line(m, f, at_us, text, len, stop);
		text += len + (text[len] != '\0');
	}
	return r;
}

static int64_t event_at_us(const json_t *event)
{
	return json_get_int(event, "timestamp", clock_now_us() / 1000) * 1000;
}

int sagemaker_metrics_search(struct sagemaker_metrics *m, const json_t *events, size_t first,
			     const _Atomic bool *stop, struct sagemaker_found **ret,
			     struct err *reterr)
{
	struct sagemaker_found *f = calloc(1, sizeof(*f));
	int r = f ? 0 : -ENOMEM;

	*ret = f;
	if (r >= 0 && !m->expressions &&
	    log_metrics_new(m->definitions, &m->expressions, reterr) < 0)
		return -reterr->code;
	if (r >= 0)
		f->until_us = clock_thread_us() + SAGEMAKER_METRICS_PAGE_US;
	for (size_t i = first; r >= 0 && !*stop && i < json_array_size(events); i++) {
		const json_t *event = json_array_get(events, i);

		r = search_message(m, f, event_at_us(event), json_get_str(event, "message", ""),
				   stop);
	}
	return r < 0 ? err_errno(reterr, -r, "search the lines of a log") : 0;
}

/* ---- rows, on the manager thread ---- */

__attribute__((format(printf, 3, 4))) static int warn(struct page *p, const char *code,
						      const char *fmt, ...)
{
	char detail[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	str_vexcerptf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	return store_warning_insert(p->manager->store, p->row->job, p->row->attempt, code, detail,
				    clock_now_us(), p->reterr);
}

static int put_point(struct page *p, int64_t step, double epoch, const json_t *values)
{
	p->points++;
	return store_metric_insert(p->manager->store, p->row->job, p->row->attempt, p->at_us, step,
				   epoch, values, p->reterr);
}

/* ---- an event of Trainyard's own script ---- */

static int take_event(struct page *p, enum event_type type, const json_t *event)
{
	const json_t *values = json_object_get(event, "values");

	if (type == EVENT_METRIC && json_is_object(values))
		return put_point(p, json_get_int(event, "step", 0),
				 json_get_num(event, "epoch", NAN), values);
	if (type == EVENT_WARNING)
		return warn(p, json_get_str(event, "code", "warning"), "%s",
			    json_get_str(event, "message", ""));
	if (type != EVENT_PROGRESS)
		return 0;
	json_decref(p->progress);
	p->progress = json_deep_copy(event);
	json_object_del(p->progress, "v");
	json_object_del(p->progress, "t");
	json_object_del(p->progress, "at");
	return 0;
}

static int read_event(struct page *p, const char *line)
{
	OWN(buf_done) struct buf text = BUF_INIT(EVENT_LINE_MAX);
	OWN(json_decrefp) json_t *event = NULL;
	enum event_type type;
	size_t skip;

	if (buf_puts(&text, line + strlen(EVENT_LOG_PREFIX)) < 0 || buf_puts(&text, "\n") < 0)
		return 0; /* not an event: events are short */
	if (event_next(text.data, text.len, &type, &event, &skip, NULL) <= 0)
		return 0;
	return take_event(p, type, event);
}

/* ---- a page ---- */

/* True for "NAME/algo-1-1700000000": SageMaker counts instances from 1. */
static bool is_first_instance(const struct resource_row *row, const char *stream)
{
	return str_starts(stream, row->name) && str_starts(stream + strlen(row->name), "/algo-1-");
}

bool sagemaker_metrics_searches(const struct sagemaker_metrics *m, const struct resource_row *row,
				const char *stream)
{
	return m->scripted && is_first_instance(row, stream);
}

static int store_news(struct page *p)
{
	struct manager *mgr = p->manager;
	const struct resource_row *row = p->row;
	int r = 0;

	if (p->points)
		r = store_event(mgr->store, "metrics", NULL, row->job, NULL,
				json_pack("{si si}", "points", p->points, "attempt", row->attempt),
				clock_now_us(), p->reterr);
	if (r >= 0 && p->progress)
		r = store_attempt_set_progress(mgr->store, row->job, row->attempt, p->progress,
					       p->reterr);
	if (r >= 0 && p->progress)
		r = store_event(mgr->store, "progress", NULL, row->job, NULL,
				json_incref(p->progress), clock_now_us(), p->reterr);
	return r;
}

static int store_events(struct page *p, const struct sagemaker_metrics *m, const json_t *events,
			size_t first)
{
	int r = 0;

	for (size_t i = first; r >= 0 && i < json_array_size(events); i++) {
		const json_t *event = json_array_get(events, i);
		const char *text = json_get_str(event, "message", "");

		p->at_us = event_at_us(event);
		if (sagemaker_metrics_is_event(m, text))
			r = read_event(p, text);
	}
	return r;
}

static int store_found(struct page *p, const struct sagemaker_found *f)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < f->n; i++) {
		p->at_us = f->lines[i].at_us;
		r = put_point(p, ++p->step, json_get_num(f->lines[i].values, "epoch", NAN),
			      f->lines[i].values);
	}
	for (size_t i = 0; r >= 0 && i < f->slow.n; i++)
		r = warn(p, "slow_metric",
			 "the regex of metric '%s' takes too long on a line of the log and is no "
			 "longer used; make it simpler",
			 f->slow.names[i]);
	if (r < 0 || !f->skipped)
		return r;
	return warn(
		p, "metrics_skipped",
		"the regexes of metric_definitions take too long, or find too much: %lld lines of "
		"the log were not searched; make the regexes simpler",
		(long long)f->skipped);
}

int sagemaker_metrics_store(struct manager *mgr, const struct resource_row *row,
			    const struct sagemaker_metrics *m, const char *stream,
			    const json_t *events, size_t first, const struct sagemaker_found *found,
			    struct err *reterr)
{
	struct page p = {.manager = mgr, .row = row, .reterr = reterr};
	int n = row->attempt,
	    r = store_metric_last_step(mgr->store, row->job, n, n, &p.step, reterr);

	if (r >= 0 && !p.step && m->resumes)
		r = store_metric_last_step(mgr->store, row->job, 1, n - 1, &p.step, reterr);
	if (r < 0 || !is_first_instance(row, stream))
		return r;
	r = found ? store_found(&p, found) : store_events(&p, m, events, first);
	if (r >= 0)
		r = store_news(&p);
	json_decref(p.progress);
	return r < 0 ? r : 0;
}
