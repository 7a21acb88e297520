/* SPDX-License-Identifier: MIT */
/*
 * Executions: create, start, watch, stop, end. Manager's thread. wire/execution.h describes the
 * files in their directories.
 */
#pragma once

#include "daemon/core.h"
#include "daemon/execution/remains.h"

/* ---- launch.c ---- */
/* Create the directory and spec.json of a new execution of `job` (if `serve`: of its endpoint).
 * *row holds the placement (attempt, cpus, devices) and gets id and dir. `resume` is a checkpoint
 * directory or NULL. Writes only files. On failure *ret_code is the reason for the job. */
int execution_prepare(struct manager *mgr, const struct job_row *job, bool serve,
		      struct execution_row *row, const json_t *spec, const char *resume,
		      enum reason_code *ret_code, struct err *reterr) MUSTCHECK;
/* In a transaction: insert the row of a prepared execution. After the commit its shim starts. */
int execution_launch(struct manager *mgr, struct execution_row *row, struct err *reterr) MUSTCHECK;

/* ---- start.c ---- */
/* Start the shim of a committed execution, in separate transactions. */
void execution_start(struct manager *mgr, struct execution *ex);
/* In a transaction: record that the shim runs. */
int execution_mark_running(struct manager *mgr, struct execution *ex, struct err *reterr) MUSTCHECK;

/* ---- proof.c ---- */
/* Create a random secret and its SHA-256, both as hex digits. */
int proof_new(char value[HASH_HEX_LEN], char digest[HASH_HEX_LEN], struct err *reterr) MUSTCHECK;
/* Create a pipe that contains the secret and then ends. The caller owns the read end. */
int proof_pipe(const char *value, int *ret_fd, struct err *reterr) MUSTCHECK;
/* True if the record contains the secret of this execution, or if the execution has none (from
 * before an upgrade). Removes the secret from the record. */
bool proof_holds(struct execution *ex, struct exit_record *rec);

/* ---- executions.c ---- */
struct execution *execution_add(struct manager *mgr, const struct execution_row *row, bool planned);
void execution_drop(struct manager *mgr, struct execution *ex);
struct execution *execution_find(struct manager *mgr, const char *id);
/* The execution of the job's attempt. A deploy's server belongs to its endpoint instead. */
struct execution *execution_of_job(struct manager *mgr, const char *job);
/* True if this local execution is the server that an update has started. */
bool execution_updates(const struct execution *ex, const struct endpoint_row *ep);
/* The endpoint's server, but no server that an update has started or retired. */
struct execution *execution_of_endpoint(struct manager *mgr, const struct endpoint_row *ep);
/* Open the directory and watch it. */
int execution_attach(struct manager *mgr, struct execution *ex, struct err *reterr) MUSTCHECK;
/* Look at the execution in this round of the loop: start it if it is committed and not started,
 * else poll it. Without this call the next rescan does the same. */
void execution_look_soon(struct manager *mgr, struct execution *ex);

/* ---- stop.c ---- */
/* Ask the shim to stop. Each rescan repeats this until the shim accepts. */
void execution_stop(struct manager *mgr, struct execution *ex);
/* In a transaction: call execution_stop() after the commit, if the execution still runs. */
int execution_stop_later(struct manager *mgr, const struct execution *ex,
			 struct err *reterr) MUSTCHECK;
/* The execution in the form of remains.h; borrows from `ex`. */
struct remains_of execution_remains(const struct execution *ex);

/* ---- watch.c ---- */
int executions_watch(struct manager *mgr,
		     struct err *reterr) MUSTCHECK; /* starts inotify and the rescan timer */
/* Determine the state of an execution whose directory is not open, in separate transactions.
 * Afterwards `ex` may be freed. */
void execution_reattach(struct manager *mgr, struct execution *ex);

/* ---- shims.c ---- */
/* Reap the shim `pid` of `execution` when it ends, then poll the execution. Negative if memory is
 * out, or if only shims_reap() can reap it. */
int shim_watch(struct manager *mgr, pid_t pid, const char *execution);
/* True if this daemon started the execution's shim and has not reaped it. */
bool shim_is_ours(const struct manager *mgr, const char *execution);
/* True if `pid` is such a shim. */
bool shim_is_child(const struct manager *mgr, pid_t pid);
/* Reap the ended shims that the loop cannot watch. */
void shims_reap(struct manager *mgr);
void shims_forget(struct manager *mgr);

/* ---- strays.c ---- */
/* Find executions that run without a row and begin to end them, in separate transactions. Negative
 * if not all could be examined (no descriptors, no memory, a failing disk), so that one may be
 * missed. */
int strays_find(struct manager *mgr, struct err *reterr) MUSTCHECK;
/* Continue to end the strays; called at each rescan. */
void strays_step(struct manager *mgr);
/* The id of a stray of the job; it must end before the job starts. NULL if there is none. */
const char *stray_of_job(const struct manager *mgr, const char *job);
void strays_free(struct manager *mgr);

/* ---- execution/end.c ---- */
/* In a transaction: end the execution with this record (NULL: lost for the reason `lost`). */
int execution_end(struct manager *mgr, struct execution *ex, const struct exit_record *exit,
		  enum reason_code lost, struct err *reterr) MUSTCHECK;

/* ---- events.c ---- */
/* Read one chunk of events.ndjson and store its rows in a separate transaction. After a restart the
 * part before the row's offset is read first, for failure, result and progress. `ended`: True if
 * the lock is free. Returns 1 if more may follow, 0 at the end, negative to try again later. Never
 * blocks on the file, whatever the job has put there. */
int events_drain(struct manager *mgr, struct execution *ex, bool ended);
