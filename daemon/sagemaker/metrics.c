/* SPDX-License-Identifier: MIT */
/*
 * A user's script is read by its metric_definitions, as worker/script does here. Our own script
 * (worker/sagemaker_script) prints event lines of wire/event.h behind EVENT_LOG_PREFIX, which have
 * the steps and the progress that Trainer's own lines lack.
 */
#include "daemon/sagemaker/metrics.h"
#include "base/own.h"
#include "base/str.h"
#include "jobs/log_metrics.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

struct sagemaker_metrics {
	struct log_metrics *definitions; /* NULL: our own script */
	bool resumes; /* True if an attempt finds the checkpoints of the one before */
};

/* What one page has brought. */
struct page {
	struct manager *manager;
	const struct resource_row *row;
	struct sagemaker_metrics *metrics;
	struct err *reterr;
	int64_t at_us, step, until_us, skipped;
	int points;
	json_t *progress; /* the newest; owned */
};

void sagemaker_metrics_free(struct sagemaker_metrics *m)
{
	if (!m)
		return;
	log_metrics_free(m->definitions);
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
	if (json_object_get(job.spec, "entry_point"))
		r = log_metrics_new(json_object_get(job.spec, "metric_definitions"),
				    &m->definitions, reterr);
	if (r < 0) {
		sagemaker_metrics_free(m);
		return r;
	}
	m->resumes = json_object_get(job.spec, "checkpoint") != NULL;
	*ret = m;
	return 0;
}

bool sagemaker_metrics_is_event(const struct sagemaker_metrics *m, const char *line)
{
	return !m->definitions && str_starts(line, EVENT_LOG_PREFIX);
}

static int64_t cpu_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

__attribute__((format(printf, 3, 4))) static int warn(struct page *p, const char *code,
						      const char *fmt, ...)
{
	char detail[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
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

/* ---- a line of a user's script ---- */

static int read_line(struct page *p, const char *line, size_t len)
{
	OWN(json_decrefp) json_t *values = NULL;
	const char *slow;
	int r = 0;

	if (cpu_now_us() >= p->until_us) {
		p->skipped++;
		return 0;
	}
	values = log_metrics_read(p->metrics->definitions, line, len, &slow);
	if (slow)
		r = warn(p, "slow_metric",
			 "the regex of metric '%s' takes too long on a line of the log; it is not "
			 "used any more",
			 slow);
	if (r >= 0 && values)
		r = put_point(p, ++p->step, json_get_num(values, "epoch", NAN), values);
	return r;
}

/* Lines as the worker here takes them: a carriage return ends one too (progress bars). */
static int read_message(struct page *p, const char *text)
{
	int r = 0;

	while (r >= 0 && *text) {
		size_t len = strcspn(text, "\r\n");

		if (len)
			r = read_line(p, text, len);
		text += len + (text[len] != '\0');
	}
	return r;
}

/* ---- an event of our own script ---- */

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
		return 0; /* not one of ours: they are short */
	if (event_next(text.data, text.len, &type, &event, &skip, NULL) <= 0)
		return 0;
	return take_event(p, type, event);
}

/* ---- a page ---- */

/* "NAME/algo-1-1700000000": SageMaker counts instances from 1. */
static bool is_first_instance(const struct resource_row *row, const char *stream)
{
	return str_starts(stream, row->name) && str_starts(stream + strlen(row->name), "/algo-1-");
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
	if (r < 0 || !p->skipped)
		return r;
	return warn(p, "metrics_skipped",
		    "the expressions of metric_definitions take too long: %lld lines of the log "
		    "were not searched; make them simpler",
		    (long long)p->skipped);
}

int sagemaker_metrics_store(struct manager *mgr, const struct resource_row *row,
			    struct sagemaker_metrics *m, const char *stream, const json_t *events,
			    size_t first, struct err *reterr)
{
	struct page p = {.manager = mgr, .row = row, .metrics = m, .reterr = reterr};
	int n = row->attempt,
	    r = store_metric_last_step(mgr->store, row->job, n, n, &p.step, reterr);

	if (r >= 0 && !p.step && m->resumes)
		r = store_metric_last_step(mgr->store, row->job, 1, n - 1, &p.step, reterr);
	if (r < 0 || !is_first_instance(row, stream))
		return r;
	p.until_us = cpu_now_us() + SAGEMAKER_METRICS_PAGE_US;
	for (size_t i = first; r >= 0 && i < json_array_size(events); i++) {
		const json_t *event = json_array_get(events, i);
		const char *text = json_get_str(event, "message", "");

		p.at_us = json_get_int(event, "timestamp", clock_now_us() / 1000) * 1000;
		if (m->definitions)
			r = read_message(&p, text);
		else if (sagemaker_metrics_is_event(m, text))
			r = read_event(&p, text);
	}
	if (r >= 0)
		r = store_news(&p);
	json_decref(p.progress);
	return r < 0 ? r : 0;
}
