/* SPDX-License-Identifier: MIT */
/*
 * What the daemon has measured since its start, for GET /metrics. The manager's thread and the net
 * thread feed it; API threads read it.
 */
#pragma once

#include "base/exposition.h"
#include "jobs/kind.h"
#include "jobs/state.h"

#include <stdint.h>

struct manager;
struct job_row;

enum invocation_outcome {
	INVOCATION_OK,	    /* the endpoint replied with 2xx */
	INVOCATION_REFUSED, /* another status */
	INVOCATION_FAILED,  /* no reply */
	INVOCATION_OUTCOMES_,
};

struct figures {
	struct histogram txn, commit;
	struct histogram queued[JOB_KINDS_], ran[JOB_KINDS_];
	_Atomic uint64_t ended[JOB_KINDS_][JOB_STATES_];
	struct histogram invocations[TARGETS_];
	_Atomic uint64_t outcomes[TARGETS_][INVOCATION_OUTCOMES_];
};

void figures_init(struct figures *f);
/* In a transaction: count the start or the end of a job after the commit. */
void figures_job_started(struct manager *mgr, const struct job_row *job);
void figures_job_ended(struct manager *mgr, const struct job_row *job, enum job_state to,
		       int64_t at_us);
/* Count an invocation. Net thread. */
void figures_invocation(struct manager *mgr, enum job_target target, enum invocation_outcome what,
			int64_t us);
