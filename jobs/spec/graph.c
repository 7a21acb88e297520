/* SPDX-License-Identifier: MIT */
/* The graph of a run: names, explicit needs, cycles, and endpoints that two jobs deploy. */
#include "base/own.h"
#include "base/str.h"
#include "jobs/spec/parse.h"
#include "jobs/spec/predict.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CYCLE_TEXT_LEN 512

ssize_t spec_job_find(const struct run_spec *run, const char *name)
{
	for (size_t i = 0; i < run->jobs_n; i++)
		if (str_eq(name, run->jobs[i].name))
			return (ssize_t)i;
	return -1;
}

/* The deploy job of the same run that makes the job's endpoint; NULL if there is none. */
static const struct job_spec *deploy_of(const struct run_spec *run, const struct job_spec *job)
{
	const char *endpoint = json_get_str(job->spec, "endpoint", "");
	struct spec_ref ref;
	bool refers = spec_ref_split(endpoint, &ref) == 0;

	if (refers && ref.run[0])
		return NULL;
	for (size_t i = 0; i < run->jobs_n; i++) {
		const struct job_spec *one = &run->jobs[i];

		if (one->kind == JOB_DEPLOY &&
		    (refers ? str_eq(ref.job, one->name)
			    : str_eq(endpoint, json_get_str(one->spec, "endpoint", NULL))))
			return one;
	}
	return NULL;
}

/* True if the job's endpoint comes from a deploy of the same run. */
static bool spec_endpoint_is_ours(const struct run_spec *run, const struct job_spec *job)
{
	const char *endpoint = json_get_str(job->spec, "endpoint", "");
	struct spec_ref ref;

	if (spec_ref_split(endpoint, &ref) == 0 && ref.run[0])
		return false;
	return str_starts(endpoint, "${") || deploy_of(run, job);
}

void spec_need_add(struct spec_parse *p, struct job_spec *job, size_t other, enum need_when when)
{
	for (size_t i = 0; i < job->needs_n; i++)
		if (job->needs[i].job == other)
			return;
	if (job->needs_n == SPEC_NEEDS_MAX) {
		spec_problem(p, PROBLEM_TOO_MANY,
			     "the job needs more than %d other jobs, those that it refers to "
			     "included; put a job between them",
			     SPEC_NEEDS_MAX);
		return;
	}
	if (!job->needs)
		job->needs = calloc(SPEC_NEEDS_MAX, sizeof(*job->needs));
	if (!job->needs) {
		p->no_memory = true;
		return;
	}
	job->needs[job->needs_n++] = (struct job_need){.job = other, .when = when};
}

static const char *const need_whens[] = {
	[NEED_SUCCESS] = "success",
	[NEED_FAILURE] = "failure",
	[NEED_ALWAYS] = "always",
};

const char *need_when_str(enum need_when when)
{
	return need_whens[when];
}

int need_when_parse(const char *text, enum need_when *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(need_whens); i++)
		if (str_eq(text, need_whens[i])) {
			*ret = (enum need_when)i;
			return 0;
		}
	return -EINVAL;
}

/* Read one item of needs and fill in its `when`. */
static void read_need(struct spec_parse *p, struct job_spec *job, json_t *item,
		      enum need_when fallback)
{
	const char *name = json_get_str(item, "job", ""), *near;
	enum need_when when = fallback;
	ssize_t other = spec_job_find(p->run, name);

	if (!*name)
		return; /* the problem is already reported */
	(void)need_when_parse(json_get_str(item, "when", ""), &when); /* absent: the fallback */
	if (other < 0) {
		near = spec_nearest_job(p, name);
		spec_problem(p, PROBLEM_UNKNOWN_REFERENCE, "this run has no job '%s'; %s%s%s", name,
			     near ? "did you mean '" : "name an existing one", near ? near : "",
			     near ? "'?" : "");
		return;
	}
	if (&p->run->jobs[other] == job) {
		spec_problem(p, PROBLEM_CYCLE, "job '%s' needs itself; name another job", name);
		return;
	}
	for (size_t i = 0; i < job->needs_n; i++)
		if (job->needs[i].job == (size_t)other) {
			spec_problem(p, PROBLEM_DUPLICATE,
				     "job '%s' is needed twice; remove one of the two", name);
			return;
		}
	spec_set(p, item, "when", json_string(need_when_str(when)));
	spec_need_add(p, job, (size_t)other, when);
}

static void check_name(struct spec_parse *p, size_t i)
{
	const struct job_spec *job = &p->run->jobs[i];
	ssize_t first = spec_job_find(p->run, job->name);
	size_t mark = spec_enter(p, "name");

	if (*job->name && first < (ssize_t)i)
		spec_problem(p, PROBLEM_DUPLICATE,
			     "jobs %zd and %zu are both called '%s'; give one of them another name",
			     first, i, job->name);
	spec_leave(p, mark);
}

void spec_needs_read(struct spec_parse *p)
{
	for (size_t i = 0; i < p->run->jobs_n; i++) {
		struct job_spec *job = &p->run->jobs[i];
		enum need_when fallback = NEED_SUCCESS;
		json_t *needs = json_object_get(job->spec, "needs");
		size_t mark;

		spec_at_job(p, i);
		check_name(p, i);
		if (job->kind == JOB_DELETE_ENDPOINT && spec_endpoint_is_ours(p->run, job))
			fallback = NEED_ALWAYS;
		mark = spec_enter(p, "needs");
		for (size_t n = 0; n < json_array_size(needs); n++) {
			size_t inner = spec_enter_index(p, n);

			read_need(p, job, json_array_get(needs, n), fallback);
			spec_leave(p, inner);
		}
		spec_leave(p, mark);
	}
}

enum mark {
	UNSEEN,
	OPEN, /* on the path from the root of the search to the current job */
	DONE,
};

struct search {
	struct spec_parse *p;
	unsigned char marks[SPEC_JOBS_MAX];
	size_t path[SPEC_JOBS_MAX]; /* jobs in state OPEN, in order */
	size_t next[SPEC_JOBS_MAX]; /* for each of these jobs, the index of its next need */
	size_t depth;
};

/* Report "a → b → a", starting with the job that closes the cycle. */
static void say_cycle(const struct search *s, size_t closing)
{
	const struct run_spec *run = s->p->run;
	char text[CYCLE_TEXT_LEN] = "", whole[CYCLE_TEXT_LEN - 64];
	size_t from = 0, n;

	while (s->path[from] != closing)
		from++;
	for (size_t i = from; i < s->depth; i++) {
		n = strlen(text);
		str_excerptf(text + n, sizeof(text) - n, "%s → ", run->jobs[s->path[i]].name);
	}
	n = strlen(text);
	str_excerptf(text + n, sizeof(text) - n, "%s", run->jobs[closing].name);
	str_excerpt(whole, sizeof(whole), text);
	spec_at_job(s->p, closing);
	spec_problem(s->p, PROBLEM_CYCLE,
		     "these jobs wait for each other: %s; remove one of the needs or references",
		     whole);
}

static void push(struct search *s, size_t job)
{
	s->marks[job] = OPEN;
	s->path[s->depth] = job;
	s->next[s->depth++] = 0;
}

/* Depth-first search without recursion. Reports the first cycle and stops. */
static bool find_cycle(struct search *s, size_t root)
{
	push(s, root);
	while (s->depth) {
		size_t at = s->path[s->depth - 1];
		const struct job_spec *job = &s->p->run->jobs[at];
		size_t need = s->next[s->depth - 1]++, other;

		if (need == job->needs_n) {
			s->marks[at] = DONE;
			s->depth--;
			continue;
		}
		other = job->needs[need].job;
		if (s->marks[other] == OPEN) {
			say_cycle(s, other);
			return true;
		}
		if (s->marks[other] == UNSEEN)
			push(s, other);
	}
	return false;
}

static void check_endpoints(struct spec_parse *p)
{
	const struct run_spec *run = p->run;

	for (size_t i = 0; i < run->jobs_n; i++) {
		const char *name = json_get_str(run->jobs[i].spec, "endpoint", NULL);

		for (size_t j = 0; j < i && name && run->jobs[i].kind == JOB_DEPLOY; j++) {
			if (run->jobs[j].kind != JOB_DEPLOY ||
			    !str_eq(name, json_get_str(run->jobs[j].spec, "endpoint", NULL)))
				continue;
			spec_at_job(p, i);
			spec_enter(p, "endpoint");
			spec_problem(p, PROBLEM_DUPLICATE,
				     "job '%s' also deploys the endpoint '%s'; give one endpoint "
				     "another name",
				     run->jobs[j].name, name);
			break;
		}
	}
}

/* Check the size of the whole request; the table only limits its parts. */
static void check_predict_body(struct spec_parse *p, const struct job_spec *job,
			       const struct job_spec *deploy)
{
	OWN(freep) char *body = spec_predict_body(job->spec);
	size_t max = spec_predict_body_max(deploy ? deploy->spec : NULL);

	if (!body)
		p->no_memory = true;
	else if (strlen(body) > max)
		spec_problem(p, PROBLEM_OUT_OF_RANGE, SPEC_BODY_TEXT, strlen(body),
			     spec_predict_taker(max), max);
}

/* Check the requests of predict jobs, also against an endpoint that this run makes. */
static void check_inputs_fit(struct spec_parse *p)
{
	for (size_t i = 0; i < p->run->jobs_n; i++) {
		const struct job_spec *job = &p->run->jobs[i], *deploy = NULL;
		size_t n = 0;

		if (job->kind != JOB_PREDICT || !json_object_get(job->spec, "inputs"))
			continue;
		spec_at_job(p, i);
		spec_enter(p, "inputs");
		deploy = deploy_of(p->run, job);
		check_predict_body(p, job, deploy);
		if (deploy)
			n = spec_inputs_over(job->spec, deploy->target);
		if (n)
			spec_problem(p, PROBLEM_TOO_MANY, SPEC_INPUTS_TEXT, n,
				     SPEC_INPUTS_LOCAL_MAX);
	}
}

void spec_graph_check(struct spec_parse *p)
{
	struct search s = {.p = p};

	check_endpoints(p);
	check_inputs_fit(p);
	for (size_t i = 0; i < p->run->jobs_n; i++)
		if (s.marks[i] == UNSEEN && find_cycle(&s, i))
			return;
}
