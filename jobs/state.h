/* SPDX-License-Identifier: MIT */
/*
 * States and their allowed changes. Only daemon/ changes a state, and only through these tables.
 *
 *   job: blocked → queued → starting → running → (stopping) → succeeded | failed | cancelled
 *        blocked | queued → skipped | cancelled;  starting → queued (no capacity);
 *        running | stopping → queued (automatic retry: host_lost, spot reclaim, …);
 *        stopping → succeeded | failed (the process ended before the signal);
 *        failed | cancelled | skipped → queued | blocked (a retry)
 *        starting → stopping | failed | cancelled; only a running job can succeed
 *
 *   endpoint: creating → in_service ⇄ updating; in_service | updating → creating (its server is
 *        restarted); any of these → deleting → deleted, or → failed; deleting → failed (the
 *        failed server is gone); failed → deleting
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum job_state {
	STATE_BLOCKED,
	STATE_QUEUED,
	STATE_STARTING,
	STATE_RUNNING,
	STATE_STOPPING,
	STATE_SUCCEEDED,
	STATE_FAILED,
	STATE_CANCELLED,
	STATE_SKIPPED,
	JOB_STATES_,
};

enum run_state {
	RUN_QUEUED,
	RUN_RUNNING,
	RUN_SUCCEEDED,
	RUN_FAILED,
	RUN_CANCELLED,
	RUN_STATES_,
};

enum attempt_state {
	ATTEMPT_STARTING,
	ATTEMPT_RUNNING,
	ATTEMPT_SUCCEEDED,
	ATTEMPT_FAILED,
	ATTEMPT_CANCELLED,
	ATTEMPT_STATES_,
};

enum execution_state {
	EXECUTION_STARTING, /* the row is committed; the shim is not known to run yet */
	EXECUTION_RUNNING,
	EXECUTION_ENDED,
	EXECUTION_STATES_,
};

enum endpoint_state {
	ENDPOINT_CREATING,
	ENDPOINT_IN_SERVICE,
	ENDPOINT_UPDATING,
	ENDPOINT_DELETING,
	ENDPOINT_DELETED,
	ENDPOINT_FAILED,
	ENDPOINT_STATES_,
};

const char *job_state_str(enum job_state s);
/* 0 or -EINVAL, as in the functions below */
int job_state_parse(const char *s, enum job_state *ret);
bool job_state_may(enum job_state from, enum job_state to);
bool job_state_is_final(enum job_state s);  /* succeeded failed cancelled skipped */
bool job_state_is_active(enum job_state s); /* starting running stopping: holds resources */

const char *run_state_str(enum run_state s);
int run_state_parse(const char *s, enum run_state *ret);
bool run_state_is_final(enum run_state s);
/* Derive the run's state from counts[job state]. Running: any active job, or a mix of final and
 * waiting jobs. Queued: all jobs wait. If all jobs are final: failed if any job failed, else
 * cancelled if any was cancelled, else succeeded. Skipped jobs alone do not fail a run. */
enum run_state run_state_derive(const size_t counts[JOB_STATES_]);

const char *attempt_state_str(enum attempt_state s);
const char *execution_state_str(enum execution_state s);
int execution_state_parse(const char *s, enum execution_state *ret);
const char *endpoint_state_str(enum endpoint_state s);
int endpoint_state_parse(const char *s, enum endpoint_state *ret);
bool endpoint_state_may(enum endpoint_state from, enum endpoint_state to);
/* True unless deleted or failed: the name is taken */
bool endpoint_state_is_live(enum endpoint_state s);
