/* SPDX-License-Identifier: MIT */
/*
 * Executions: made, started, watched, stopped, ended. On the manager thread; wire/execution.h has
 * what lies in their directories.
 */
#pragma once

#include "daemon/core.h"
#include "daemon/execution/remains.h"

/* ---- launch.c ---- */
/* Make the directory and spec.json of a new execution of `job` (serve: of its endpoint). The
 * placement (attempt, cpus, devices) is in *row; its id and dir are set here. `resume` is a
 * checkpoint directory or NULL. Writes files only. On failure *ret_code is the job's reason. */
int execution_prepare(struct manager *mgr, const struct job_row *job, bool serve,
		      struct execution_row *row, const json_t *spec, const char *resume,
		      enum reason_code *ret_code, struct err *reterr) MUSTCHECK;
/* Inside a transaction: the row of a prepared execution; after the commit its shim is started. */
int execution_launch(struct manager *mgr, struct execution_row *row, struct err *reterr) MUSTCHECK;

/* ---- start.c ---- */
/* Start the shim of a committed execution, in own transactions. */
void execution_start(struct manager *mgr, struct execution *ex);
/* Inside a transaction: its shim runs. */
int execution_mark_running(struct manager *mgr, struct execution *ex, struct err *reterr) MUSTCHECK;

/* ---- proof.c ---- */
/* A new random value and its SHA-256, both as hex digits. */
int proof_new(char value[HASH_HEX_LEN], char digest[HASH_HEX_LEN], struct err *reterr) MUSTCHECK;
/* The reading end of a pipe that holds the value and ends after it; the caller's. */
int proof_pipe(const char *value, int *ret_fd, struct err *reterr) MUSTCHECK;
/* True if the record carries the value of this execution (or it has none, from before an upgrade).
 * Takes the value out of the record. */
bool proof_holds(struct execution *ex, struct exit_record *rec);

/* ---- executions.c ---- */
struct execution *execution_add(struct manager *mgr, const struct execution_row *row, bool planned);
void execution_drop(struct manager *mgr, struct execution *ex);
struct execution *execution_find(struct manager *mgr, const char *id);
/* The one an attempt owns; a deploy's belongs to its endpoint. */
struct execution *execution_of_job(struct manager *mgr, const char *job);
/* True if the execution, of this machine, is the server that an update has started. */
bool execution_updates(const struct execution *ex, const struct endpoint_row *ep);
/* Its server; not one that an update has started or retired. */
struct execution *execution_of_endpoint(struct manager *mgr, const struct endpoint_row *ep);
/* Open the directory and watch it. */
int execution_attach(struct manager *mgr, struct execution *ex, struct err *reterr) MUSTCHECK;
/* In this round of the loop: start it if it is committed and not started, else look what became of
 * it. The next rescan does it anyway. */
void execution_look_soon(struct manager *mgr, struct execution *ex);

/* ---- stop.c ---- */
/* Ask the shim to stop; again at every rescan until it is accepted. */
void execution_stop(struct manager *mgr, struct execution *ex);
/* Inside a transaction: the same after its commit, if it still runs then. */
int execution_stop_later(struct manager *mgr, const struct execution *ex,
			 struct err *reterr) MUSTCHECK;
/* How remains.h knows it; borrows from it. */
struct remains_of execution_remains(const struct execution *ex);

/* ---- watch.c ---- */
int executions_watch(struct manager *mgr,
		     struct err *reterr) MUSTCHECK; /* inotify + rescan timer */
/* Find the state of an execution whose directory is not open. Transactions of its own; it may be
 * gone afterwards.
 */
void execution_reattach(struct manager *mgr, struct execution *ex);

/* ---- shims.c ---- */
/* Reap the shim `pid` of `execution` when it ends, and look at the execution then. Negative: out of
 * memory, or only shims_reap() reaps it. */
int shim_watch(struct manager *mgr, pid_t pid, const char *execution);
/* True if this daemon has started the execution's shim and has not reaped it. */
bool shim_is_ours(const struct manager *mgr, const char *execution);
/* True if `pid` is such a shim. */
bool shim_is_child(const struct manager *mgr, pid_t pid);
/* Those that the loop cannot watch. */
void shims_reap(struct manager *mgr);
void shims_forget(struct manager *mgr);

/* ---- strays.c ---- */
/* Look for executions that run without a row, and begin to end them. Transactions of its own.
 * Negative: not all could be looked at (no descriptors, no memory, a failing disk), so that one may
 * run unseen. */
int strays_find(struct manager *mgr, struct err *reterr) MUSTCHECK;
/* Go on with that, at each rescan. */
void strays_step(struct manager *mgr);
/* The id of a stray of the job, which must end before that starts; NULL: none. */
const char *stray_of_job(const struct manager *mgr, const char *job);
void strays_free(struct manager *mgr);

/* ---- execution/end.c ---- */
/* Inside a transaction: the execution is over with this record (NULL: lost, see `lost`). */
int execution_end(struct manager *mgr, struct execution *ex, const struct exit_record *exit,
		  enum reason_code lost, struct err *reterr) MUSTCHECK;

/* ---- events.c ---- */
/* Read one chunk of events.ndjson: rows inside a transaction of its own. After a restart, first
 * what is before the row's offset, for failure, result and progress. `ended`: its lock is free. 1:
 * there may be more, 0: at the end, negative: try again later. Never blocks on the file, whatever
 * the job has made of it. */
int events_drain(struct manager *mgr, struct execution *ex, bool ended);
