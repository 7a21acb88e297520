/* SPDX-License-Identifier: MIT */
/*
 * The writer's interface to the database; only the manager thread calls it. SQLite runs in WAL mode
 * with synchronous=FULL, foreign keys and STRICT tables. A batch of commands is one transaction
 * (store_begin … store_commit). Every function that writes needs an
 * open transaction. A call blocks only on the disk.
 *
 * Errors of every function: -ENOSPC (disk full), -EIO, -ERR_CORRUPT; -ERR_NOT_FOUND if a required
 * row is missing; -ERR_CONFLICT if the state does not match; -ERR_EXISTS on a uniqueness rule.
 * After -ENOSPC, -EIO or -ERR_CORRUPT the transaction is lost: every later call fails too, until
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

#define STORE_FILE		 "trainyard.db"
#define STORE_LOCK_FILE		 "trainyard.lock"
#define STORE_RESTORING_FILE	 "trainyard.db.restoring" /* a backup, before it is in place */
#define STORE_EXECUTIONS	 "executions" /* holds one directory for each execution */
#define STORE_SOURCES		 "sources"    /* holds the frozen copies of source directories */
/* exists if the disk has failed and the database must be checked */
#define STORE_CHECK_FILE	 "trainyard.check"
#define STORE_RESERVE_FILE	 "trainyard.reserve"
/* freed if the disk is full, so that states can be written */
#define STORE_RESERVE_BYTES	 (4 << 20)
#define STORE_LAST_RESERVE_FILE	 "trainyard.reserve.deletes"
/* freed after the other reserve, only for deletes, prunes and stops */
#define STORE_LAST_RESERVE_BYTES (2 << 20)

struct store;

/* ---- opening and transactions ---- */

/* Open or create DIR/trainyard.db, take the locks and apply all pending migrations in one
 * transaction. The file is copied before a migration. -ERR_EXISTS: another daemon holds the lock.
 * -ERR_UNSUPPORTED: the schema is newer. -ERR_CORRUPT: the database is gone, but executions
 * exist. */
int store_open(const char *dir, struct store **ret, struct err *reterr) MUSTCHECK;
void store_close(struct store *st);
/* Any thread. -ERR_UNAVAILABLE if the data directory or a file of the store was renamed, replaced
 * or deleted since store_open() (location.h). */
int store_check_location(const struct store *st, struct err *reterr) MUSTCHECK;

/* True if the disk has failed (db_is_broken()): every transaction fails from now on, and the daemon
 * must end. */
bool store_is_broken(const struct store *st);
/* Leave a mark in the data directory, if the disk takes it: the next store_open() checks the whole
 * database before anything else. */
void store_want_check(const struct store *st);

int store_begin(struct store *st, struct err *reterr) MUSTCHECK; /* BEGIN IMMEDIATE */
/* Commit. store_take_events() returns the events of the transaction only after this. On failure
 * everything is rolled back. If the disk is full, the reserve is freed once and the write is tried
 * again. */
int store_commit(struct store *st, struct err *reterr) MUSTCHECK;
/* The open transaction makes the way free for a removal or a stop: it may use the last reserve. */
void store_use_last_reserve(struct store *st);
void store_rollback(struct store *st);
/* Note what the open transaction has written so far. Cheaper than a savepoint, but nothing can be
 * rolled back to it. */
void store_mark(struct store *st);
/* True if something was written since store_mark() that only store_rollback() undoes. False if the
 * transaction is lost already: store_commit() then fails. */
bool store_must_undo(const struct store *st);
int store_savepoint(struct store *st, struct err *reterr) MUSTCHECK;
int store_release(struct store *st, struct err *reterr) MUSTCHECK;
/* roll back to the savepoint, drop its events and end it */
void store_rollback_to(struct store *st);
/* Take the events of the last committed transaction, oldest first, for the feed: a JSON array, each
 * event with its "seq". New reference. A second call returns an empty array. NULL if memory is out;
 * the events are then kept. */
json_t *store_take_events(struct store *st);
int64_t store_last_seq(struct store *st);
/* Call this if the wall clock was set by by_us (may be negative). Shifts every stored time that
 * means "a while from now", so that the rest of the wait is kept. These are the back-offs of jobs
 * and endpoints, and the next and last calls of SageMaker resources. Leases and days of money do
 * not change. */
int store_shift_waits(struct store *st, int64_t by_us, struct err *reterr) MUSTCHECK;
/* Checkpoint the WAL; for idle moments. */
void store_checkpoint(struct store *st);

/* ---- runs and jobs ---- */

/* A job. The row owns `spec`, `tags` and `outputs`. An unset time is 0. */
struct job_row {
	char id[ID_LEN], run[ID_LEN];
	int index; /* position in the run */
	char name[SPEC_NAME_MAX + 1];
	enum job_kind kind;
	enum job_target target;
	enum job_state state;
	struct reason reason;
	int attempt;	  /* number of the last attempt; 0: none yet */
	int auto_retries; /* automatic retries since the submit or the last manual retry */
	int priority;
	bool held;
	int64_t cancel_requested_us, created_us, queued_us, started_us, finished_us;
	int64_t not_before_us; /* earliest time of the next start (retry back-off) */
	json_t *spec, *tags, *outputs;
};
void job_row_done(struct job_row *row);

struct job_rows {
	struct job_row *rows;
	size_t n;
};
void job_rows_done(struct job_rows *rows);

/* Insert a run with its jobs and needs. A job without needs is queued, every other job is blocked.
 * Events "run_created" and "job_created". The caller frees *ret (storage/answer.h); `ret` may be
 * NULL. */
struct submitted;
int store_run_insert(struct store *st, const struct run_spec *rs, const char *run_id,
		     int64_t now_us, struct submitted **ret, struct err *reterr) MUSTCHECK;
int store_job_get(struct store *st, const char *id, struct job_row *ret,
		  struct err *reterr) MUSTCHECK;
/* The job of that name. -ERR_NOT_FOUND if the run has none. */
int store_job_of_run(struct store *st, const char *run, const char *name, struct job_row *ret,
		     struct err *reterr) MUSTCHECK;
int store_jobs_of_run(struct store *st, const char *run, struct job_rows *ret,
		      struct err *reterr) MUSTCHECK;
int store_jobs_in_state(struct store *st, enum job_state state, struct job_rows *ret,
			struct err *reterr) MUSTCHECK;
/* The jobs of one target and place that may start: queued, not held, not_before passed. Order:
 * priority (highest first), then the run's submit, then the position in the run. The order follows
 * the rows, not the clock. Skips `skip` jobs and returns at most `max`. */
int store_jobs_ready(struct store *st, enum job_target target, enum slot_class place,
		     int64_t now_us, size_t skip, size_t max, struct job_rows *ret,
		     struct err *reterr) MUSTCHECK;
/* The earliest future not_before_us of a queued job; USEC_NEVER if there is none. */
int store_next_not_before(struct store *st, int64_t now_us, int64_t *ret,
			  struct err *reterr) MUSTCHECK;

/* The only function that changes a job's state. One UPDATE … WHERE state = from also sets the times
 * (queued, started, finished) and the run's derived state. Event "job_state"
 * {"from","to","reason"}. Asserts job_state_may(from, to). -ERR_CONFLICT if the job is not in
 * `from`. */
int store_job_set_state(struct store *st, const char *id, enum job_state from, enum job_state to,
			const struct reason *reason, int64_t now_us, struct err *reterr) MUSTCHECK;
/* Correct the finished_us of a job that has just become final, if a better time is known. The time
 * is not before the job's start. Also corrects the run's finished_us if the run has ended. No
 * event: part of the state change. */
int store_job_set_finished(struct store *st, const char *id, int64_t at_us,
			   struct err *reterr) MUSTCHECK;
/* Fields that are not states. Each function writes an event "job_changed". */
int store_job_set_held(struct store *st, const char *id, bool held, int64_t now_us,
		       struct err *reterr) MUSTCHECK;
int store_job_set_priority(struct store *st, const char *id, int priority, int64_t now_us,
			   struct err *reterr) MUSTCHECK;
/* Set the reason why a queued job waits (NULL: no particular reason). -ERR_CONFLICT if the job is
 * not queued. */
int store_job_set_reason(struct store *st, const char *id, const struct reason *reason,
			 int64_t now_us, struct err *reterr) MUSTCHECK;
/* If now_us is 0, clear the request without an event (part of a retry). Leaving a final state also
 * clears the request. */
int store_job_set_cancel_requested(struct store *st, const char *id, int64_t now_us,
				   struct err *reterr) MUSTCHECK;
/* No event: part of a state change. */
int store_job_set_retry(struct store *st, const char *id, int auto_retries, int64_t not_before_us,
			struct err *reterr) MUSTCHECK;
/* Set the outputs of the last attempt: a JSON object of strings, numbers and objects. */
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
/* The jobs that `job` needs. */
int store_needs_of(struct store *st, const char *job, struct need_rows *ret,
		   struct err *reterr) MUSTCHECK;
/* The jobs that need `job`; `job` and `state` of a row are those of the dependent job. */
int store_needed_by(struct store *st, const char *job, struct need_rows *ret,
		    struct err *reterr) MUSTCHECK;

/* ---- attempts ---- */

/* Insert an attempt in ATTEMPT_STARTING and set the job's attempt number. *ret_number counts from
 * 1. */
int store_attempt_insert(struct store *st, const char *job, int64_t now_us, int *ret_number,
			 struct err *reterr) MUSTCHECK;
int store_attempt_set_state(struct store *st, const char *job, int number, enum attempt_state state,
			    const struct reason *reason, int64_t now_us,
			    struct err *reterr) MUSTCHECK;
/* Store exit.json and the outputs of the attempt; either may be NULL. */
int store_attempt_set_result(struct store *st, const char *job, int number, const json_t *exit,
			     const json_t *outputs, struct err *reterr) MUSTCHECK;
/* Store the attempt's progress object. No event: the daemon limits progress events and writes them
 * with store_event(). */
int store_attempt_set_progress(struct store *st, const char *job, int number,
			       const json_t *progress, struct err *reterr) MUSTCHECK;

/* The outputs of an attempt; an empty object if there are none. New reference. */
int store_attempt_outputs(struct store *st, const char *job, int number, json_t **ret,
			  struct err *reterr) MUSTCHECK;

/* ---- pins ---- */

/* The pinned attempt of `other`, a job of another run whose outputs `job` uses; 0 if no attempt was
 * pinned. store_run_insert() writes pins. Check for pins before you remove files or rows. */
int store_pin_find(struct store *st, const char *job, const char *other, int *ret_attempt,
		   struct err *reterr) MUSTCHECK;

/* ---- models ---- */

#define STORE_MODELS_MAX 1000 /* added models; models of the configuration do not count */

/* Add a model. `source` is {"path": absolute} or {"hub"[, "revision"]}. Event "model_added".
 * -ERR_EXISTS if the name exists; -ERR_CONFLICT if there are STORE_MODELS_MAX models. */
int store_model_insert(struct store *st, const char *name, const json_t *source, int64_t now_us,
		       struct err *reterr) MUSTCHECK;
/* *ret is the model's source, a new reference. -ERR_NOT_FOUND if there is no such model. */
int store_model_find(struct store *st, const char *name, json_t **ret,
		     struct err *reterr) MUSTCHECK;
/* Remove a model. Event "model_removed". -ERR_NOT_FOUND if there is no such model; -ERR_CONFLICT if
 * a job that has not ended, or a live endpoint, was submitted with the name. */
int store_model_delete(struct store *st, const char *name, int64_t now_us,
		       struct err *reterr) MUSTCHECK;

/* ---- executions ---- */

struct execution_row {
	char id[ID_LEN];
	char job[ID_LEN]; /* id of the owning job; "" if an endpoint owns the execution */
	int attempt;
	/* id of the owning endpoint; "" if an attempt owns the execution */
	char endpoint[ID_LEN];
	char dir[SPEC_PATH_MAX]; /* absolute path */
	enum execution_state state;
	char boot_id[40];
	int cpus;
	int devices[SPEC_DEVICES_MAX]; /* indices of the GPUs held */
	char device_uuids[SPEC_DEVICES_MAX][48];
	int devices_n;
	int64_t gpu_memory_bytes; /* reserved on each GPU; 0: whole GPUs */
	int64_t pid;		  /* pid of the shim, for display */
	int64_t events_offset;	  /* bytes of events.ndjson that were read */
	int64_t started_us, ended_us, deadline_us;
	/* True if the endpoint has replaced this server by another one; false in inserts */
	bool retired;
	/* SHA-256 of the secret that the exit record must contain; "": none */
	char proof[HASH_HEX_LEN];
};
struct execution_rows {
	struct execution_row *rows;
	size_t n;
};
void execution_rows_done(struct execution_rows *rows);

int store_execution_insert(struct store *st, const struct execution_row *row,
			   struct err *reterr) MUSTCHECK;
int store_executions_live(struct store *st, struct execution_rows *ret,
			  struct err *reterr) MUSTCHECK; /* all executions that have not ended */
/* The newest execution of a job, live or ended. -ERR_NOT_FOUND before the first execution. */
int store_execution_last(struct store *st, const char *job, struct execution_row *ret,
			 struct err *reterr) MUSTCHECK;
/* The newest execution of one attempt. */
int store_execution_of_attempt(struct store *st, const char *job, int attempt,
			       struct execution_row *ret, struct err *reterr) MUSTCHECK;
/* As folder_check() in folder.h: -ERR_REMOVED or -ERR_PRUNED if `path` is missing because its
 * folder was removed. */
int store_folder_check(struct store *st, const char *path, struct err *reterr) MUSTCHECK;
int store_execution_set_state(struct store *st, const char *id, enum execution_state state,
			      int64_t pid, int64_t now_us, struct err *reterr) MUSTCHECK;
/* Set the read position. Commit this together with the rows that the bytes before it produced. */
int store_execution_set_offset(struct store *st, const char *id, int64_t events_offset,
			       struct err *reterr) MUSTCHECK;
/* Set the proof of a shim that starts after its row was inserted. */
int store_execution_set_proof(struct store *st, const char *id, const char *proof,
			      struct err *reterr) MUSTCHECK;
/* Mark all live servers of the endpoint as retired, except `but`. */
int store_executions_retire(struct store *st, const char *endpoint, const char *except,
			    struct err *reterr) MUSTCHECK;

/* ---- metrics, warnings and events ---- */

/* points that are kept of an attempt, apart from a few special ones */
#define STORE_METRIC_SAMPLE_MAX	    10000
#define STORE_METRIC_NAMES_MAX	    256 /* names of one attempt; further names are left out */
#define STORE_METRIC_NAME_BYTES_MAX 255

/* Add one point: {"loss":…,"learning_rate":…}; for numbers see json_any_number(). If an attempt has
 * more than STORE_METRIC_SAMPLE_MAX points, an even sample is kept (warning "metrics_thinned"). For
 * each name the newest, least and greatest value and the first NaN stay, too. Points are written at
 * the end of the transaction. */
int store_metric_insert(struct store *st, const char *job, int attempt, int64_t at_us, int64_t step,
			double epoch, const json_t *values, struct err *reterr) MUSTCHECK;
/* codes of one attempt; all further codes are counted as "more" */
#define STORE_WARNING_KINDS_MAX 32

/* Add a warning of a job about a suspicious value. Warnings with the same code share one row with a
 * count and the detail of the first one. Event "warning" {"code","detail","count"} at counts 1, 2,
 * 4, 8, … */
int store_warning_insert(struct store *st, const char *job, int attempt, const char *code,
			 const char *detail, int64_t now_us, struct err *reterr) MUSTCHECK;
/* Sets *ret to true if the submit produced a warning with exactly this detail. */
int store_warning_known(struct store *st, const char *job, const char *detail, bool *ret,
			struct err *reterr) MUSTCHECK;
/* The newest value of each metric of the attempt, by name. New reference. */
int store_metrics_last(struct store *st, const char *job, int attempt, json_t **ret,
		       struct err *reterr) MUSTCHECK;
/* The greatest step among the points of the attempts `first` to `last` of the job; 0 if there are
 * no points. An attempt that resumes continues to count from that step. */
int store_metric_last_step(struct store *st, const char *job, int first, int last, int64_t *ret,
			   struct err *reterr) MUSTCHECK;
/* Write an event that is not a state change: kind "progress", "metrics", "warning", "checkpoint",
 * "log", … job, run and endpoint may be NULL. Takes over `body`. */
int store_event(struct store *st, const char *kind, const char *run, const char *job,
		const char *endpoint, json_t *body, int64_t now_us, struct err *reterr) MUSTCHECK;
/* Delete the oldest events, up to older_than_us, and store the lowest seq that is kept: below that
 * seq readers answer 410. Deletes a few thousand events in one call. Returns 1 if more are left. */
int store_events_trim(struct store *st, int64_t older_than_us, struct err *reterr) MUSTCHECK;
/* Store that the events up to `seq` were notified (0: as before), and the condition `key` ("":
 * none). Forgets conditions that are older than STORE_NOTICES_KEEP_US. */
#define STORE_NOTICES_KEEP_US (INT64_C(400) * 86400 * 1000000)
int store_notified(struct store *st, int64_t seq, const char *key, int64_t now_us,
		   struct err *reterr) MUSTCHECK;

/* ---- endpoints ---- */

struct endpoint_row {
	char id[ID_LEN];
	char name[SPEC_NAME_MAX + 1];
	enum job_target target;
	enum endpoint_state state;
	bool wanted; /* the desired state: True if in service, false if deleted */
	struct reason reason;
	char run[ID_LEN], job[ID_LEN]; /* the deploy job and its run */
	char model[SPEC_PATH_MAX + 1];
	json_t *spec;	/* the deploy job's resolved spec; owned */
	json_t *result; /* the worker's report: parity, labels, …; owned, may be NULL */
	int64_t lease_ttl_us, lease_idle_us; /* idle 0: no idle limit */
	int64_t lease_until_us;		     /* 0: the clock has not started */
	/* True if a user has renewed the lease since the last deploy or update */
	bool lease_renewed;
	int64_t last_request_us; /* or the time of coming into service */
	/* restarts since it was last in service for long enough */
	int restarts;
	int64_t not_before_us; /* earliest next start (back-off) */
	int64_t created_us, in_service_us, ended_us;
};
struct endpoint_rows {
	struct endpoint_row *rows;
	size_t n;
};
void endpoint_row_done(struct endpoint_row *row);
void endpoint_rows_done(struct endpoint_rows *rows);

/* Insert an endpoint. Event "endpoint_state". -ERR_EXISTS if a live endpoint has the name. */
int store_endpoint_insert(struct store *st, const struct endpoint_row *row,
			  struct err *reterr) MUSTCHECK;
int store_endpoint_get(struct store *st, const char *id, struct endpoint_row *ret,
		       struct err *reterr) MUSTCHECK;
/* The live endpoint of that name. -ERR_NOT_FOUND if there is none. */
int store_endpoint_find(struct store *st, const char *name, struct endpoint_row *ret,
			struct err *reterr) MUSTCHECK;
int store_endpoints_live(struct store *st, struct endpoint_rows *ret, struct err *reterr) MUSTCHECK;
/* The only function that changes an endpoint's state. Also sets in_service_us and ended_us. Event
 * "endpoint_state". */
int store_endpoint_set_state(struct store *st, const char *id, enum endpoint_state from,
			     enum endpoint_state to, const struct reason *reason, int64_t now_us,
			     struct err *reterr) MUSTCHECK;
int store_endpoint_set_wanted(struct store *st, const char *id, bool wanted,
			      struct err *reterr) MUSTCHECK;
int store_endpoint_set_restart(struct store *st, const char *id, int restarts,
			       int64_t not_before_us, const struct reason *reason, int64_t now_us,
			       struct err *reterr) MUSTCHECK; /* event "endpoint_changed" */
/* Set the lease's fields. Writes an event "endpoint_lease" if `published`. */
int store_endpoint_set_lease(struct store *st, const char *id, int64_t ttl_us, int64_t until_us,
			     int64_t last_request_us, bool published, int64_t now_us,
			     struct err *reterr) MUSTCHECK;
/* No event: part of a change of the lease. */
int store_endpoint_set_renewed(struct store *st, const char *id, bool renewed,
			       struct err *reterr) MUSTCHECK;
/* Set the deploy job of an updated endpoint; the old spec becomes its previous spec. No event: part
 * of a state change. */
int store_endpoint_set_deploy(struct store *st, const char *id, const char *job, const char *model,
			      const json_t *spec, int64_t idle_us, struct err *reterr) MUSTCHECK;
int store_endpoint_set_result(struct store *st, const char *id, const json_t *result,
			      struct err *reterr) MUSTCHECK;
/* Sets *ret to true if a job of the endpoint's run, other than the deploy, refers to the endpoint
 * and is not final. */
int store_endpoint_needed(struct store *st, const char *id, bool *ret,
			  struct err *reterr) MUSTCHECK;
