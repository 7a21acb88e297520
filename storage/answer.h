/* SPDX-License-Identifier: MIT */
/*
 * The forms of runs and jobs in answers, as text: of rows, and of a run that was just committed.
 * The only place that knows the order of their fields.
 */
#pragma once

#include "base/buf.h"
#include "jobs/spec/spec.h"
#include "jobs/state.h"

#include <stdbool.h>
#include <stdint.h>

/* Forms of a job. Each form has all fields of the form before. */
enum job_form {
	JOB_FORM_SHORT,	 /* view=short */
	JOB_FORM_IN_RUN, /* job of a run's answer */
	JOB_FORM_LIST,
};

/* The fields of a job. Texts are borrowed; times are microseconds, 0: none. */
struct job_answer {
	const char *id, *run, *name, *kind, *target, *state;
	const char *reason_code, *reason_message; /* both "": no reason */
	int64_t created_us, started_us, finished_us, cancel_us, pruned_us;
	int64_t attempt, priority, seq;
	bool held;
	const char *progress, *warnings; /* JSON; "" leaves the field out */
	const char *tags, *outputs;	 /* JSON */
};

struct run_answer {
	const char *id, *name, *state;
	int64_t created_us, started_us, finished_us, pruned_us, seq;
	const char *tags; /* JSON */
};

/* Append the object but its last brace, so that the caller may add fields. */
void answer_job(struct buf *out, const struct job_answer *job, enum job_form form);
void answer_run(struct buf *out, const struct run_answer *run, bool is_short);
/* Append ,"KEY": — the caller appends the value. */
void answer_key(struct buf *out, const char *key);
void answer_time(struct buf *out, const char *key, int64_t at_us);

/* What the insert of a run adds to its spec. One allocation. */
struct submitted {
	char run[ID_LEN];
	int64_t created_us;
	int64_t seq;	     /* of the run */
	int64_t jobs_seq;    /* of the first job; those of the others follow */
	char jobs[][ID_LEN]; /* the id of each job of the spec */
};
/* Append the answer of store_read_run() or store_read_job() to a run at its commit, but the last
 * brace. */
void answer_submitted_run(struct buf *out, const struct run_spec *rs, const struct submitted *at);
void answer_submitted_job(struct buf *out, const struct run_spec *rs, const struct submitted *at);

#define SUBMIT_WARNING "spec" /* code of the warnings of a submit */
/* Find the job of a pointer into the run's spec. *pointer becomes the pointer within that job. */
size_t submit_warning_job(const char **pointer, size_t jobs_n);
/* The state and the first reason of a new job: "waits for prep, train". */
enum job_state job_first_state(const struct job_spec *js);
void job_first_reason(const struct run_spec *rs, const struct job_spec *js, struct reason *ret);
