/* SPDX-License-Identifier: MIT */
/*
 * The writer's door to the database: used by the manager thread only. SQLite in WAL mode with
 * synchronous=FULL, foreign keys, STRICT tables. A batch of work is one transaction
 * (store_begin … store_commit); one command in it is one savepoint. Every function that
 * writes must run inside a transaction; none blocks on anything but the disk.
 *
 * Errors of every function: -ENOSPC (disk full), -EIO, -ERR_CORRUPT; -ERR_NOT_FOUND where a row
 * must exist; -ERR_CONFLICT where a state must match; -ERR_EXISTS on a uniqueness rule. After
 * -ENOSPC, -EIO or -ERR_CORRUPT the transaction is lost: every later call in it fails too, up to
 * store_rollback() or the failing store_commit().
 */
#pragma once

#include "base/err.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/json.h"
#include "jobs/kind.h"
#include "jobs/reason.h"
#include "jobs/spec/spec.h"
#include "jobs/state.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_FILE	   "trainyard.db"
#define STORE_LOCK_FILE	   "trainyard.lock"
#define STORE_EXECUTIONS   "executions" /* the folder of the executions' directories */
#define STORE_SOURCES	   "sources"	/* that of the copies of source_dirs */
#define STORE_RESERVE_FILE "trainyard.reserve"
#define STORE_RESERVE_BYTES \
	(4 << 20) /* freed when the disk is full, so that states can be written */

struct store;

/* ---- opening and transactions ---- */

/* Opens or makes DIR/trainyard.db, takes the lock file (-ERR_EXISTS: another daemon has it), backs
 * the file up before a migration, applies all pending migrations in one transaction, refuses a
 * newer schema (-ERR_UNSUPPORTED), and does not begin anew where executions are (-ERR_CORRUPT). */
int store_open(const char *dir, struct store **ret, struct err *reterr) MUSTCHECK;
void store_close(struct store *st);
/* Any thread. -ERR_UNAVAILABLE: the data directory or a file of the store was renamed, replaced or
 * deleted since the opening (location.h). */
int store_check_location(const struct store *st, struct err *reterr) MUSTCHECK;

int store_begin(struct store *st, struct err *reterr) MUSTCHECK; /* BEGIN IMMEDIATE */
/* Events written in the transaction become visible in store_committed() only after this. On failure
 * everything is rolled back. -ENOSPC: the reserve is given up once and the commit tried again. */
int store_commit(struct store *st, struct err *reterr) MUSTCHECK;
void store_rollback(struct store *st);
int store_savepoint(struct store *st, struct err *reterr) MUSTCHECK;
int store_release(struct store *st, struct err *reterr) MUSTCHECK;
void store_rollback_to(struct store *st); /* undoes to the savepoint (and its events) and ends it */
/* The events of the last committed transaction, oldest first, for the feed: a JSON array; each has
 * "seq". New reference; empties the list. */
json_t *store_take_events(struct store *st);
int64_t store_last_seq(struct store *st);
/* The wall clock was set by so much (may be negative): every wait that is relative but stored as a
 * time goes on for what was left of it. Back-offs of jobs and endpoints, the next look at a cloud
 * resource and the time of its last call. Leases and days of money stay as they are. */
int store_shift_waits(struct store *st, int64_t by_us, struct err *reterr) MUSTCHECK;
/* WAL checkpoint, for idle moments. */
void store_checkpoint(struct store *st);
/* Random text made with the database; goes into cursors and ETags. Borrowed. */
const char *store_generation(struct store *st);

/* ---- runs and jobs ---- */

/* A job row. `spec`, `tags`, `outputs` are owned by the row. Unset times are 0. */
struct job_row {
	char id[ID_LEN], run[ID_LEN];
	int index; /* position in the run */
	char name[SPEC_NAME_MAX + 1];
	enum job_kind kind;
	enum job_target target;
	enum job_state state;
	struct reason reason;
	int attempt;	  /* number of the last attempt, 0: none yet */
	int auto_retries; /* automatic retries since the last submit or manual retry */
	int priority;
	bool held;
	int64_t cancel_requested_us, created_us, queued_us, started_us, finished_us;
	int64_t not_before_us; /* earliest next start (retry back-off) */
	json_t *spec, *tags, *outputs;
};
void job_row_done(struct job_row *row);

struct job_rows {
	struct job_row *rows;
	size_t n;
};
void job_rows_done(struct job_rows *rows);

/* Insert the run, its jobs (blocked, or queued when they need nothing) and needs. Events
 * "run_created" and "job_created". */
int store_run_insert(struct store *st, const struct run_spec *rs, const char *run_id,
		     int64_t now_us, struct err *reterr) MUSTCHECK;
int store_job_get(struct store *st, const char *id, struct job_row *ret,
		  struct err *reterr) MUSTCHECK;
int store_jobs_of_run(struct store *st, const char *run, struct job_rows *ret,
		      struct err *reterr) MUSTCHECK;
int store_jobs_in_state(struct store *st, enum job_state state, struct job_rows *ret,
			struct err *reterr) MUSTCHECK;
/* Queued, not held, not_before passed, of one target and place: highest priority first, then by the
 * run's submit, then by the job's place in its run. That is the order of the rows, whatever the
 * clock said. At most max, without the first `skip`. */
int store_jobs_ready(struct store *st, enum job_target target, enum job_place place, int64_t now_us,
		     size_t skip, size_t max, struct job_rows *ret, struct err *reterr) MUSTCHECK;
/* The earliest not_before_us in the future of a queued job; USEC_NEVER: none. */
int store_next_not_before(struct store *st, int64_t now_us, int64_t *ret,
			  struct err *reterr) MUSTCHECK;

/* The one function that moves a job: UPDATE … WHERE state = from, timestamps (queued, started,
 * finished), the run's derived state, and the event "job_state" {"from","to","reason"}, together.
 * Asserts job_state_may(from, to). -ERR_CONFLICT when the job is not in `from`. */
int store_job_set_state(struct store *st, const char *id, enum job_state from, enum job_state to,
			const struct reason *reason, int64_t now_us, struct err *reterr) MUSTCHECK;
/* When a job that has just become final ended, if that is known better: its finished_us (not before
 * its start), and the run's if that has ended. Part of the move: no event of its own. */
int store_job_set_finished(struct store *st, const char *id, int64_t at_us,
			   struct err *reterr) MUSTCHECK;
/* Fields that are not states; each writes an event "job_changed". */
int store_job_set_held(struct store *st, const char *id, bool held, int64_t now_us,
		       struct err *reterr) MUSTCHECK;
int store_job_set_priority(struct store *st, const char *id, int priority, int64_t now_us,
			   struct err *reterr) MUSTCHECK;
/* Why a queued job waits (NULL: nothing particular); -ERR_CONFLICT when it is not queued. */
int store_job_set_reason(struct store *st, const char *id, const struct reason *reason,
			 int64_t now_us, struct err *reterr) MUSTCHECK;
/* now_us 0: forget the request, without an event (part of a retry; the way out of a final state
 * does it by itself). */
int store_job_set_cancel_requested(struct store *st, const char *id, int64_t now_us,
				   struct err *reterr) MUSTCHECK;
/* No event: part of a state change. */
int store_job_set_retry(struct store *st, const char *id, int auto_retries, int64_t not_before_us,
			struct err *reterr) MUSTCHECK;
/* Outputs of the last attempt (a JSON object of strings, numbers, objects). */
int store_job_set_outputs(struct store *st, const char *id, const json_t *outputs,
			  struct err *reterr) MUSTCHECK;

struct need_row {
	char job[ID_LEN]; /* the other job */
	char name[SPEC_NAME_MAX + 1];
	enum need_when when;
	enum job_state state; /* of the other job */
};
struct need_rows {
	struct need_row *rows;
	size_t n;
};
void need_rows_done(struct need_rows *rows);
/* What `job` needs. */
int store_needs_of(struct store *st, const char *job, struct need_rows *ret,
		   struct err *reterr) MUSTCHECK;
/* Who needs `job` (job = the dependent, state = the dependent's). */
int store_needed_by(struct store *st, const char *job, struct need_rows *ret,
		    struct err *reterr) MUSTCHECK;

/* ---- attempts ---- */

/* A new attempt row in ATTEMPT_STARTING; sets the job's attempt number; *ret_number from 1. */
int store_attempt_insert(struct store *st, const char *job, int64_t now_us, int *ret_number,
			 struct err *reterr) MUSTCHECK;
int store_attempt_set_state(struct store *st, const char *job, int number, enum attempt_state state,
			    const struct reason *reason, int64_t now_us,
			    struct err *reterr) MUSTCHECK;
/* exit.json and outputs as they are kept with the attempt; either may be NULL. */
int store_attempt_set_result(struct store *st, const char *job, int number, const json_t *exit,
			     const json_t *outputs, struct err *reterr) MUSTCHECK;
/* The attempt's progress object (no event: the daemon rations them with store_event). */
int store_attempt_set_progress(struct store *st, const char *job, int number,
			       const json_t *progress, struct err *reterr) MUSTCHECK;

/* What an attempt has left (a new reference; an empty object: nothing). */
int store_attempt_outputs(struct store *st, const char *job, int number, json_t **ret,
			  struct err *reterr) MUSTCHECK;

/* ---- pins ---- */

/* The attempt of `other`, a job of another run, whose outputs `job` uses; 0: none was pinned. Pins
 * are written by store_run_insert(). Who removes files or rows asks the table first. */
int store_pin_find(struct store *st, const char *job, const char *other, int *ret_attempt,
		   struct err *reterr) MUSTCHECK;

/* ---- models ---- */

#define STORE_MODELS_MAX 1000 /* names that are added; those of the configuration are not here */

/* `source`: {"path": absolute} or {"hub"[, "revision"]}. Event "model_added". -ERR_EXISTS: the name
 * was added before; -ERR_CONFLICT: there are STORE_MODELS_MAX. */
int store_model_insert(struct store *st, const char *name, const json_t *source, int64_t now_us,
		       struct err *reterr) MUSTCHECK;
/* *ret: its source, a new reference. -ERR_NOT_FOUND. */
int store_model_find(struct store *st, const char *name, json_t **ret,
		     struct err *reterr) MUSTCHECK;
/* Event "model_removed". -ERR_NOT_FOUND; -ERR_CONFLICT: a job that has not ended, or a live
 * endpoint, was submitted with the name. */
int store_model_delete(struct store *st, const char *name, int64_t now_us,
		       struct err *reterr) MUSTCHECK;

/* ---- executions ---- */

struct execution_row {
	char id[ID_LEN];
	char job[ID_LEN]; /* owner is an attempt: its job; "" otherwise */
	int attempt;
	char endpoint[ID_LEN];	 /* owner is an endpoint: its id; "" otherwise */
	char dir[SPEC_PATH_MAX]; /* absolute */
	enum execution_state state;
	char boot_id[40];
	int cpus;
	int devices[SPEC_DEVICES_MAX]; /* GPU indices held */
	char device_uuids[SPEC_DEVICES_MAX][48];
	int devices_n;
	int64_t gpu_memory_bytes; /* reserved per device; 0: whole devices */
	int64_t pid;		  /* of the shim, for display */
	int64_t events_offset;	  /* events.ndjson is read up to here */
	int64_t started_us, ended_us, deadline_us;
	bool retired;		  /* a server whose endpoint has another one now; 0 in inserts */
	char proof[HASH_HEX_LEN]; /* SHA-256 of the value that its exit record must carry; "": none
				   */
};
struct execution_rows {
	struct execution_row *rows;
	size_t n;
};
void execution_rows_done(struct execution_rows *rows);

int store_execution_insert(struct store *st, const struct execution_row *row,
			   struct err *reterr) MUSTCHECK;
int store_executions_live(struct store *st, struct execution_rows *ret,
			  struct err *reterr) MUSTCHECK; /* not ENDED */
/* The newest execution of a job, live or ended; -ERR_NOT_FOUND before the first. */
int store_execution_last(struct store *st, const char *job, struct execution_row *ret,
			 struct err *reterr) MUSTCHECK;
/* The newest of one attempt. */
int store_execution_of_attempt(struct store *st, const char *job, int attempt,
			       struct execution_row *ret, struct err *reterr) MUSTCHECK;
/* folder.h: -ERR_REMOVED or -ERR_PRUNED if the path is not there because its folder was removed. */
int store_folder_check(struct store *st, const char *path, struct err *reterr) MUSTCHECK;
int store_execution_set_state(struct store *st, const char *id, enum execution_state state,
			      int64_t pid, int64_t now_us, struct err *reterr) MUSTCHECK;
/* Committed together with the rows that came out of the bytes before it. */
int store_execution_set_offset(struct store *st, const char *id, int64_t events_offset,
			       struct err *reterr) MUSTCHECK;
/* For a shim that is started only now. */
int store_execution_set_proof(struct store *st, const char *id, const char *proof,
			      struct err *reterr) MUSTCHECK;
/* All live servers of the endpoint but that one. */
int store_executions_retire(struct store *st, const char *endpoint, const char *but,
			    struct err *reterr) MUSTCHECK;

/* ---- metrics, warnings and events ---- */

#define STORE_METRIC_SAMPLE_MAX	    10000 /* points of an attempt that are kept, and a few more */
#define STORE_METRIC_NAMES_MAX	    256	  /* names in an attempt; further ones are left out */
#define STORE_METRIC_NAME_BYTES_MAX 255

/* One point: {"loss":…,"learning_rate":…}; see json_any_number(). Of more than
 * STORE_METRIC_SAMPLE_MAX points an even sample is kept, and the newest, the least and greatest and
 * the first NaN of each name (warning "metrics_thinned"). Written at the end of the transaction. */
int store_metric_insert(struct store *st, const char *job, int attempt, int64_t at_us, int64_t step,
			double epoch, const json_t *values, struct err *reterr) MUSTCHECK;
#define STORE_WARNING_KINDS_MAX 32 /* of an attempt; all further kinds are counted as "more" */

/* What a job reports as probably not meant. Warnings of one code are one row with a count; its
 * detail is that of the first. Event "warning" {"code","detail","count"} at counts 1, 2, 4, 8, … */
int store_warning_insert(struct store *st, const char *job, int attempt, const char *code,
			 const char *detail, int64_t now_us, struct err *reterr) MUSTCHECK;
/* True in *ret if the submit warned of `detail`, word for word. */
int store_warning_known(struct store *st, const char *job, const char *detail, bool *ret,
			struct err *reterr) MUSTCHECK;
/* The newest value of each metric of the attempt, by name. New reference. */
int store_metrics_last(struct store *st, const char *job, int attempt, json_t **ret,
		       struct err *reterr) MUSTCHECK;
/* The greatest step of the points of these attempts (`first` to `last`, numbers of the job); 0:
 * they have none. One that resumes goes on counting where those before it were. */
int store_metric_last_step(struct store *st, const char *job, int first, int last, int64_t *ret,
			   struct err *reterr) MUSTCHECK;
/* An event that is not a state change: kind "progress", "metrics", "warning", "checkpoint", "log",
 * … job, run and endpoint may be NULL. Takes over `body`. */
int store_event(struct store *st, const char *kind, const char *run, const char *job,
		const char *endpoint, json_t *body, int64_t now_us, struct err *reterr) MUSTCHECK;
/* Delete the events in front that are older; remembers the lowest seq kept (readers answer 410
 * below). A few thousand a call: 1 means that more are left. */
int store_events_trim(struct store *st, int64_t older_than_us, struct err *reterr) MUSTCHECK;

/* ---- endpoints ---- */

struct endpoint_row {
	char id[ID_LEN];
	char name[SPEC_NAME_MAX + 1];
	enum job_target target;
	enum endpoint_state state;
	bool wanted; /* the desired state: in service; false: deleted */
	struct reason reason;
	char run[ID_LEN], job[ID_LEN]; /* the deploy */
	char model[SPEC_PATH_MAX];
	json_t *spec;	/* the deploy job's resolved spec, owned */
	json_t *result; /* what the worker said: parity, labels, …; owned, may be NULL */
	int64_t lease_ttl_us, lease_idle_us; /* idle 0: no idle rule */
	int64_t lease_until_us;		     /* 0: the clock has not started */
	bool lease_renewed;		     /* by somebody, since it was deployed or updated */
	int64_t last_request_us;	     /* or in-service time */
	int restarts;			     /* since it was last in service long enough */
	int64_t not_before_us;		     /* back-off */
	int64_t created_us, in_service_us, ended_us;
};
struct endpoint_rows {
	struct endpoint_row *rows;
	size_t n;
};
void endpoint_row_done(struct endpoint_row *row);
void endpoint_rows_done(struct endpoint_rows *rows);

/* -ERR_EXISTS: a live endpoint has the name. Event "endpoint_state". */
int store_endpoint_insert(struct store *st, const struct endpoint_row *row,
			  struct err *reterr) MUSTCHECK;
int store_endpoint_get(struct store *st, const char *id, struct endpoint_row *ret,
		       struct err *reterr) MUSTCHECK;
/* The live one of that name; -ERR_NOT_FOUND. */
int store_endpoint_find(struct store *st, const char *name, struct endpoint_row *ret,
			struct err *reterr) MUSTCHECK;
int store_endpoints_live(struct store *st, struct endpoint_rows *ret, struct err *reterr) MUSTCHECK;
/* The one mover of endpoints; event "endpoint_state". in_service_us and ended_us are kept here. */
int store_endpoint_set_state(struct store *st, const char *id, enum endpoint_state from,
			     enum endpoint_state to, const struct reason *reason, int64_t now_us,
			     struct err *reterr) MUSTCHECK;
int store_endpoint_set_wanted(struct store *st, const char *id, bool wanted,
			      struct err *reterr) MUSTCHECK;
int store_endpoint_set_restart(struct store *st, const char *id, int restarts,
			       int64_t not_before_us, const struct reason *reason, int64_t now_us,
			       struct err *reterr) MUSTCHECK; /* event "endpoint_changed" */
/* Lease fields; event "endpoint_lease" when `said`. */
int store_endpoint_set_lease(struct store *st, const char *id, int64_t ttl_us, int64_t until_us,
			     int64_t last_request_us, bool said, int64_t now_us,
			     struct err *reterr) MUSTCHECK;
/* No event: part of a lease's change. */
int store_endpoint_set_renewed(struct store *st, const char *id, bool renewed,
			       struct err *reterr) MUSTCHECK;
/* Another deploy job has updated it; what it was becomes its previous spec. No event: part of a
 * state change. */
int store_endpoint_set_deploy(struct store *st, const char *id, const char *job, const char *model,
			      const json_t *spec, int64_t idle_us, struct err *reterr) MUSTCHECK;
int store_endpoint_set_result(struct store *st, const char *id, const json_t *result,
			      struct err *reterr) MUSTCHECK;
/* Jobs of the endpoint's run, other than the deploy itself, that refer to it and are not final. */
int store_endpoint_needed(struct store *st, const char *id, bool *ret,
			  struct err *reterr) MUSTCHECK;
