/* SPDX-License-Identifier: MIT */
/* Measures transactions, jobs and invocations, and writes them for GET /metrics. */
#include "daemon/figures.h"

#include "aws/client.h"
#include "daemon/core.h"

#include <stdlib.h>

struct count {
	struct histogram *duration;
	_Atomic uint64_t *counter; /* NULL: none */
	int64_t us;		   /* negative: no duration */
};

void figures_init(struct figures *f)
{
	for (int i = 0; i < JOB_KINDS_; i++)
		f->queued[i].scale = f->ran[i].scale = HISTOGRAM_OF_JOBS;
}

static void on_committed(struct manager *mgr, void *arg, bool committed)
{
	struct count *c = arg;

	(void)mgr;
	if (committed && c->counter)
		atomic_fetch_add_explicit(c->counter, 1, memory_order_relaxed);
	if (committed && c->us >= 0)
		histogram_add(c->duration, c->us);
	free(c);
}

static void count_later(struct manager *mgr, const struct count *count)
{
	struct count *c = malloc(sizeof(*c));

	if (!c)
		return; /* a figure is missing; the job is not */
	*c = *count;
	txn_on_commit(mgr, on_committed, c);
}

void figures_job_started(struct manager *mgr, const struct job_row *job)
{
	int64_t us = clock_now_us() - job->queued_us;

	count_later(mgr, &(struct count){.duration = &mgr->figures.queued[job->kind],
					 .us = us > 0 ? us : 0});
}

void figures_job_ended(struct manager *mgr, const struct job_row *job, enum job_state to,
		       int64_t at_us)
{
	int64_t us = at_us - job->started_us;

	count_later(mgr, &(struct count){.duration = &mgr->figures.ran[job->kind],
					 .counter = &mgr->figures.ended[job->kind][to],
					 .us = !job->started_us ? -1
					       : us > 0		? us
								: 0});
}

void figures_invocation(struct manager *mgr, enum job_target target, enum invocation_outcome what,
			int64_t us)
{
	atomic_fetch_add_explicit(&mgr->figures.outcomes[target][what], 1, memory_order_relaxed);
	histogram_add(&mgr->figures.invocations[target], us);
}

/* ---- the writer ---- */

static void write_jobs(const struct figures *f, struct buf *out)
{
	exposition_family(out, "trainyard_jobs_ended_total", "counter",
			  "Jobs that ended, by kind and final state; since the daemon's start.");
	for (int i = 0; i < JOB_KINDS_; i++)
		for (int s = 0; s < JOB_STATES_; s++)
			if (job_state_is_final((enum job_state)s))
				exposition_int(out, "trainyard_jobs_ended_total",
					       (int64_t)atomic_load(&f->ended[i][s]), "kind",
					       job_kind_str((enum job_kind)i), "state",
					       job_state_str((enum job_state)s), NULL);
	exposition_family(out, "trainyard_job_queue_seconds", "histogram",
			  "Time from the last queueing of a job to its start.");
	for (int i = 0; i < JOB_KINDS_; i++)
		exposition_histogram(out, "trainyard_job_queue_seconds", &f->queued[i], "kind",
				     job_kind_str((enum job_kind)i), NULL);
	exposition_family(out, "trainyard_job_duration_seconds", "histogram",
			  "Time from the start of a job's last attempt to the job's end.");
	for (int i = 0; i < JOB_KINDS_; i++)
		exposition_histogram(out, "trainyard_job_duration_seconds", &f->ran[i], "kind",
				     job_kind_str((enum job_kind)i), NULL);
}

static void write_invocations(const struct figures *f, struct buf *out)
{
	static const char *const names[] = {"ok", "refused", "failed"};

	exposition_family(out, "trainyard_invocations_total", "counter",
			  "Requests to endpoints: ok (2xx), refused (another status), failed (no "
			  "reply).");
	for (int t = 0; t < TARGETS_; t++)
		for (int o = 0; o < INVOCATION_OUTCOMES_; o++)
			exposition_int(out, "trainyard_invocations_total",
				       (int64_t)atomic_load(&f->outcomes[t][o]), "target",
				       job_target_str((enum job_target)t), "outcome", names[o],
				       NULL);
	exposition_family(out, "trainyard_invocation_duration_seconds", "histogram",
			  "Time from the relay of a request to the endpoint's reply.");
	for (int t = 0; t < TARGETS_; t++)
		exposition_histogram(out, "trainyard_invocation_duration_seconds",
				     &f->invocations[t], "target",
				     job_target_str((enum job_target)t), NULL);
}

void manager_figures(struct manager *mgr, struct buf *out)
{
	const struct figures *f = &mgr->figures;

	write_jobs(f, out);
	write_invocations(f, out);
	exposition_family(out, "trainyard_transaction_seconds", "histogram",
			  "Length of the manager's transactions, with their commit.");
	exposition_histogram(out, "trainyard_transaction_seconds", &f->txn, NULL);
	exposition_family(out, "trainyard_commit_seconds", "histogram",
			  "Time of a commit, with its sync to the disk.");
	exposition_histogram(out, "trainyard_commit_seconds", &f->commit, NULL);
	if (mgr->aws)
		aws_figures(mgr->aws, out);
}
