/* SPDX-License-Identifier: MIT */
/*
 * The state changes of jobs, and when jobs start. Manager's thread; everything except
 * schedule_pass() runs in a transaction (core.h).
 */
#pragma once

#include "daemon/core.h"

struct usage;

/* ---- commands.c ---- */
/* Run one command in the open transaction. It may run again after a rollback: until the commit it
 * changes only rows, and of `c` err, result_id, answer and (COMMAND_MODEL_ADD) number. */
int command_run(struct manager *mgr, struct command *c, struct err *reterr);
/* run_commands.c: run a command for a whole run. -ERR_CONFLICT if it would change no job. */
int command_of_run(struct manager *mgr, struct command *c, struct err *reterr);

/* ---- job_state.c: state changes of jobs; all in a transaction ---- */
int job_move(struct manager *mgr, const char *id, enum job_state from, enum job_state to,
	     const struct reason *reason, struct err *reterr) MUSTCHECK;
/* The end of an attempt. */
struct job_end {
	enum job_state to; /* a final state */
	struct reason reason;
	const json_t *outputs; /* borrowed; NULL: none */
	int64_t at_us;	       /* wall clock; 0: now */
	/* True if processes of the attempt may still run: no automatic retry */
	bool may_live;
};
/* End the job's attempt: state, outputs, automatic retry, dependents. */
int job_end(struct manager *mgr, const struct job_row *job, const struct job_end *end,
	    struct err *reterr) MUSTCHECK;
/* As job_end(), with the current time. `outputs` may be NULL. */
/* End a waiting job without an attempt: cancelled or skipped. */
int job_end_unstarted(struct manager *mgr, const struct job_row *job, enum job_state to,
		      const struct reason *reason, struct err *reterr) MUSTCHECK;
int job_finish(struct manager *mgr, const struct job_row *job, enum job_state to,
	       const struct reason *reason, const json_t *outputs, struct err *reterr) MUSTCHECK;
/* Queue the job, skip it or leave it blocked, by the states of its needs. */
int job_settle(struct manager *mgr, const char *id, struct err *reterr) MUSTCHECK;
/* For a manual retry: clear automatic retries and a cancel request, and change the state to blocked
 * or queued. */
int job_reset(struct manager *mgr, const struct job_row *job, enum job_state to,
	      struct err *reterr) MUSTCHECK;
int job_retry(struct manager *mgr, const struct job_row *job, struct err *reterr) MUSTCHECK;

/* ---- cancel.c ---- */
/* In a transaction: cancel the job. -ERR_CONFLICT if the job has ended. */
int job_cancel(struct manager *mgr, const struct job_row *job, struct err *reterr) MUSTCHECK;

/* ---- outputs.c ---- */
/* Replace each reference in the job's spec. -ERR_NOT_FOUND if an output does not exist. */
int job_resolve(struct manager *mgr, const struct job_row *job, json_t **ret,
		struct err *reterr) MUSTCHECK;
/* -ERR_REMOVED if somebody removed a folder that the job uses: an input, named by reference or by
 * path, or the checkpoints from which it would continue. */
int job_check_folders(struct manager *mgr, const struct job_row *job, struct err *reterr) MUSTCHECK;
/* Both, for the start of a job: the rows of its run are read once. */
int job_resolve_checked(struct manager *mgr, const struct job_row *job, json_t **ret,
			struct err *reterr) MUSTCHECK;

/* ---- scheduler.c ---- */
void schedule_pass(struct manager *mgr);
/* True if a start waits only for time or for a foreign process. Called every second. */
bool schedule_is_due(const struct manager *mgr);
/* False if this queued job waits for something other than a slot; *reason is the reason. Disk and
 * descriptors are checked once for each `u`. */
bool schedule_may_start(struct manager *mgr, struct usage *u, const struct job_row *job,
			struct reason *reason);

enum line_look {
	LINE_GOES_ON, /* the job is not queued any more */
	LINE_STAYS,   /* the job stays queued; continue with the jobs behind it */
	LINE_ENDS,    /* the job stays queued; end the walk */
};
/* Walk the ready jobs of one queue (a target and a kind of slot) in starting order, at most `max`.
 * The first page is one job and each further one twice as long: a queue whose first job must wait
 * costs one row. `look` returns one of the values above or a negative error. Each row is read once.
 * Returns 1 if more jobs may follow, 0 at the end or if `look` ended the walk. */
int schedule_walk(struct manager *mgr, enum job_target target, enum slot_class place, size_t max,
		  int (*look)(void *arg, struct job_row *job, struct err *reterr), void *arg,
		  struct err *reterr) MUSTCHECK;

/* ---- clock_step.c ---- */
/* Detect that the wall clock was set since the last tick. Uses a separate transaction. */
void clock_step_look(struct manager *mgr);

/* ---- explain.c ---- */
/* Explain why these jobs do not run now, in text and as JSON facts: an array in their order (new
 * reference). Each queue is walked once, whatever the number of jobs. */
int schedule_explain(struct manager *mgr, const struct job_row *const *jobs, size_t n, json_t **ret,
		     struct err *reterr) MUSTCHECK;

/* ---- inline_jobs.c: predict and delete-endpoint jobs, which run inside the daemon ---- */
int action_start(struct manager *mgr, const struct job_row *job, const json_t *spec,
		 struct err *reterr) MUSTCHECK;
/* After a restart of the daemon: continue a job that was running. */
int action_resume(struct manager *mgr, const struct job_row *job, struct err *reterr) MUSTCHECK;
void predicts_free(struct manager *mgr);
