/* SPDX-License-Identifier: MIT */
/*
 * Jobs: who moves them and when they start. Everything here runs on the manager thread and, except
 * schedule_pass(), inside a transaction (core.h).
 */
#pragma once

#include "daemon/core.h"

struct usage;

/* ---- commands.c ---- */
/* One command inside the open transaction and its own savepoint. */
int command_run(struct manager *mgr, struct command *c, struct err *reterr);
/* run_commands.c: one that speaks of a whole run. -ERR_CONFLICT: it would change no job. */
int command_of_run(struct manager *mgr, struct command *c, struct err *reterr);

/* ---- job_state.c: the movers of jobs; all inside a transaction ---- */
int job_move(struct manager *mgr, const char *id, enum job_state from, enum job_state to,
	     const struct reason *reason, struct err *reterr) MUSTCHECK;
/* How an attempt has ended. */
struct job_end {
	enum job_state to; /* final */
	struct reason why;
	const json_t *outputs; /* borrowed; NULL: none */
	int64_t at_us;	       /* wall clock; 0: now */
	bool may_live;	       /* processes of it may still run: it is not retried by itself */
};
/* The job's attempt is over: state, outputs, automatic retry, dependents. */
int job_end(struct manager *mgr, const struct job_row *job, const struct job_end *end,
	    struct err *reterr) MUSTCHECK;
/* The same, now. `outputs` may be NULL. */
int job_finish(struct manager *mgr, const struct job_row *job, enum job_state to,
	       const struct reason *reason, const json_t *outputs, struct err *reterr) MUSTCHECK;
/* Look at everything that needs `id`, which has just become final. */
int job_settle_dependents(struct manager *mgr, const char *id, struct err *reterr) MUSTCHECK;
/* Queue it, skip it or leave it blocked, by the states of what it needs. */
int job_settle(struct manager *mgr, const char *id, struct err *reterr) MUSTCHECK;
/* For a manual retry: forget automatic retries and a cancel request; to blocked or queued. */
int job_reset(struct manager *mgr, const struct job_row *job, enum job_state to,
	      struct err *reterr) MUSTCHECK;
int job_retry(struct manager *mgr, const struct job_row *job, struct err *reterr) MUSTCHECK;

/* ---- cancel.c ---- */
/* Inside a transaction. -ERR_CONFLICT: it has ended already. */
int job_cancel(struct manager *mgr, const struct job_row *job, struct err *reterr) MUSTCHECK;

/* ---- outputs.c ---- */
/* The job's spec with every reference replaced. -ERR_NOT_FOUND: an output is not there. */
int job_resolve(struct manager *mgr, const struct job_row *job, json_t **ret,
		struct err *reterr) MUSTCHECK;
/* -ERR_REMOVED: a folder that it uses was removed by hand: one of its inputs, whether it is named
 * by a reference or by its path, or that of the checkpoints which it would go on from. */
int job_check_folders(struct manager *mgr, const struct job_row *job, struct err *reterr) MUSTCHECK;
/* Both, for the start of a job: the rows of its run are read once. */
int job_resolve_checked(struct manager *mgr, const struct job_row *job, json_t **ret,
			struct err *reterr) MUSTCHECK;

/* ---- scheduler.c ---- */
void schedule_pass(struct manager *mgr);
/* True if a start waits for time or for a foreign process alone. Called every second. */
bool schedule_is_due(const struct manager *mgr);
/* False if this queued job waits for something else than a place: *why says for what. The machine's
 * room is looked at once for each `u`. */
bool schedule_may_start(struct manager *mgr, struct usage *u, const struct job_row *job,
			struct reason *why);

enum line_look {
	LINE_GOES_ON, /* this job is not queued any more */
	LINE_STAYS,   /* it stays queued; those behind it are looked at */
	LINE_ENDS,    /* it stays queued, and the walk ends */
};
/* The ready jobs of one line (one target and place), in the order of their start, a page at a time,
 * at most `max`: `look` says one of the above or fails (negative). Each row is read once. 1: there
 * may be more jobs behind; 0: that was all, or the walk was ended. */
int schedule_walk(struct manager *mgr, enum job_target target, enum slot_class place, size_t max,
		  int (*look)(void *arg, struct job_row *job, struct err *reterr), void *arg,
		  struct err *reterr) MUSTCHECK;

/* ---- clock_step.c ---- */
/* Notice that the wall clock was set since the last tick. A transaction of its own. */
void clock_step_look(struct manager *mgr);

/* ---- explain.c ---- */
/* Why these jobs do not run now, in words and as JSON facts: an array in their order (new
 * reference). Each line that they wait in is walked once, whatever their number. */
int schedule_explain(struct manager *mgr, const struct job_row *const *jobs, size_t n, json_t **ret,
		     struct err *reterr) MUSTCHECK;

/* ---- inline_jobs.c: predict and delete-endpoint jobs, which the daemon does itself ---- */
int action_start(struct manager *mgr, const struct job_row *job, const json_t *spec,
		 struct err *reterr) MUSTCHECK;
/* After a restart of the daemon: go on with a job that was running. */
int action_resume(struct manager *mgr, const struct job_row *job, struct err *reterr) MUSTCHECK;
void predicts_free(struct manager *mgr);
