/* SPDX-License-Identifier: MIT */
/*
 * script_main: reads the spec, prepares directories, command and metrics, runs the script, and
 * reports its end.
 */
#include "worker/script/script.h"

#include "base/own.h"
#include "base/str.h"
#include "shim/oom.h"
#include "worker/script/checkpoints.h"

#include <math.h>
#include <string.h>

/* Handle one line of output: if an expression matches, report a metric event. */
static void on_line(void *userdata, const char *line, size_t len)
{
	struct script *s = userdata;
	struct slow_metrics slow = {.n = 0};
	json_t *values = log_metrics_read(s->metrics, line, len, NULL, &slow);

	for (size_t i = 0; i < slow.n; i++)
		report_warning(s->w->report, "slow_metric",
			       "the regex of metric '%s' takes too long on a line of the log and "
			       "is no longer used; make it simpler",
			       slow.names[i]);
	if (!values)
		return;
	json_object_update(s->last, values);
	report_metric(s->w->report, ++s->metric_lines, json_get_num(values, "epoch", NAN), values);
}

/* Handle one line of TRAINYARD_METRICS. A line without a step gets the number of its point. */
static void on_point(void *userdata, int64_t step, double epoch, json_t *values)
{
	struct script *s = userdata;

	json_object_update(s->last, values);
	s->metric_lines++;
	report_metric(s->w->report, step >= 0 ? step : s->metric_lines, epoch, values);
}

static int read_spec(struct script *s, struct err *reterr)
{
	const json_t *spec = s->w->spec, *model = json_object_get(spec, "model");
	struct contract *c = &s->contract;
	json_t *hps = json_object_get(spec, "hyperparameters");
	const char *problem;

	c->entry_point = json_get_str(spec, "entry_point", "");
	s->source_dir = json_get_str(spec, "source_dir", "");
	c->job = json_get_str(s->w->message, "job", "");
	c->hyperparameters = hps;
	c->cpus = s->w->cpus;
	c->gpus = (int)json_array_size(
		json_object_get(json_object_get(s->w->message, "resources"), "devices"));
	problem = entry_point_problem(c->entry_point);
	if (problem)
		return err_at(reterr, ERR_INVALID, "/entry_point", "'%s' %s", c->entry_point,
			      problem);
	if (*s->source_dir != '/')
		return err_at(reterr, ERR_INVALID, "/source_dir",
			      "source_dir must be an absolute path");
	if (hps && !json_is_object(hps))
		return err_at(reterr, ERR_INVALID, "/hyperparameters",
			      "hyperparameters must be an object, not %s", json_type_name(hps));
	s->channels = json_object();
	json_object_update(s->channels, json_object_get(spec, "channels"));
	if (json_is_string(model))
		json_object_set(s->channels, "model", (json_t *)model);
	c->channels = s->channels;
	return 0;
}

/* The region that the AWS tools would use. */
static const char *region(void)
{
	const char *first = getenv("AWS_REGION"), *second = getenv("AWS_DEFAULT_REGION");

	return first ? first : second ? second : "";
}

static void say_start(const struct script *s)
{
	printf("Invoking script:");
	for (size_t i = 0; i < json_array_size(s->argv); i++)
		printf(" %s", json_string_value(json_array_get(s->argv, i)));
	putchar('\n');
	fflush(stdout);
}

static int run(struct script *s, struct err *reterr)
{
	int64_t keep = json_get_int(json_object_get(s->w->spec, "checkpoint"), "keep_last", 0);
	struct checkpoints *thinned = NULL;
	int64_t kills = oom_kills_now();
	char code[PATH_MAX];
	int status, r;

	str_must_format(code, sizeof(code), "%s/code", s->contract.base);
	say_start(s);
	r = keep > 0 ? checkpoints_thin(s->w->work_dirfd, (int)keep, &thinned, reterr) : 0;
	if (r >= 0)
		r = script_run(s, s->argv, code, on_line, &status, reterr);
	checkpoints_end(thinned, s->w->report);
	if (r < 0)
		return r;
	return outcome_of(s, status, kills >= 0 && oom_kills_now() > kills, reterr);
}

static void done(struct script *s)
{
	layout_end(s);
	output_done(&s->output);
	metrics_file_done(&s->metrics_file);
	log_metrics_free(s->metrics);
	json_decref(s->channels);
	json_decref(s->env);
	json_decref(s->argv);
	json_decref(s->last);
}

int script_main(struct worker *w, struct err *reterr)
{
	struct script s = {.w = w,
			   .output = {.fd = -1},
			   .last = json_object(),
			   .metric_lines = json_get_int(w->message, "points", 0)};
	int r;

	s.contract.region = region();
	metrics_file_init(&s.metrics_file, w->work_dirfd, w->report, on_point, &s);
	r = read_spec(&s, reterr);
	if (r >= 0)
		r = log_metrics_new(json_object_get(w->spec, "metric_definitions"), &s.metrics,
				    reterr);
	if (r >= 0)
		r = layout_make(&s, reterr);
	if (r >= 0)
		r = command_prepare(&s, reterr);
	if (r >= 0)
		r = run(&s, reterr);
	done(&s);
	return r;
}
