/* SPDX-License-Identifier: MIT */
/*
 * The SageMaker target: train, script and deploy jobs, and endpoints, that run on SageMaker. On the
 * manager thread. The manager keeps intents (storage/store_resource.h); one controller brings each
 * resource where its row wants it: describe, create, stop, delete, one call at a time per resource,
 * paced by aws/client.h. Every step is: transaction (row says what will be sent) → call →
 * transaction (what the answer means). Whatever is lost in between is found again by describing
 * what has the row's name.
 */
#pragma once

#include "aws/credentials.h"
#include "daemon/core.h"
#include "storage/store_resource.h"

/* Makes the net thread, and the client of AWS out of the settings. Trouble with them is no failure
 * of the daemon: the target waits with that reason (mgr->aws_why) and mgr->aws stays NULL. */
int sagemaker_open(struct manager *mgr, struct err *reterr) MUSTCHECK;
/* Ends its thread that searches logs; what it has goes to the inbox. */
void sagemaker_stop(struct manager *mgr);
void sagemaker_free(struct manager *mgr); /* after sagemaker_stop, net_stop and the inbox */

/* ---- for the scheduler, lifecycle and endpoints ---- */
/* True if the job runs on SageMaker (train, script, deploy with that target). */
static inline bool sagemaker_runs(const struct job_row *job)
{
	return job_runs_at(job->kind, job->target) == TARGET_SAGEMAKER;
}
/* True if the job can start now. Else *why says credentials, money, what is looked up, … Never
 * blocks; asks for what it does not know, and manager_want_schedule() when it does. */
bool sagemaker_may_start(struct manager *mgr, const struct job_row *job, struct reason *why);
/* What a job that has intents waits for, or what it does there. false: it has none under way. */
bool sagemaker_explain(struct manager *mgr, const struct job_row *job, struct reason *why);
/* Where a job's things go. -ERR_INVALID: a look-up says that it cannot be (*ret_code why). */
struct sagemaker_location {
	char region[AWS_REGION_MAX];
	char account[16];
	char bucket[64];
	bool default_bucket; /* sagemaker-{region}-{account}: may be made, owner is checked */
	char prefix[256];    /* "trainyard/RUN/JOB/" */
	char role_arn[2049]; /* SageMaker takes no longer one */
};
int sagemaker_location_of(struct manager *mgr, const struct job_row *job, const json_t *spec,
			  struct sagemaker_location *ret, enum reason_code *ret_code,
			  struct err *reterr) MUSTCHECK;
/* The place, and where the model lies, as they are kept in an execution's spec.json: what was
 * staged there is used from there, whatever has become of configuration and look-ups since. */
json_t *sagemaker_location_json(const struct sagemaker_location *at, const char *model);
/* Reads them back; `model` (SPEC_PATH_MAX bytes) is "" when there is none. */
int sagemaker_location_read(const char *dir, struct sagemaker_location *ret, char *model,
			    struct err *reterr) MUSTCHECK;
/* Where the model of a training job of the account lies: 1 and *ret; 0: not known yet;
 * -ERR_INVALID: there is none. */
int sagemaker_artifact(struct manager *mgr, const char *training_job, const char *region, char *ret,
		       size_t size, struct err *reterr) MUSTCHECK;

/* All inside a transaction. The staging execution of such a job has ended well: reserve the money,
 * write the intents. */
int sagemaker_staged(struct manager *mgr, const struct job_row *job, const struct execution *ex,
		     struct err *reterr) MUSTCHECK;
/* Stop a job that has intents: 1; 0: it has none, its staging execution is to be stopped. */
int sagemaker_cancel(struct manager *mgr, const struct job_row *job, struct err *reterr) MUSTCHECK;
/* Its staging ended badly. */
int sagemaker_endpoint_abandon(struct manager *mgr, const struct job_row *job,
			       const struct reason *why, struct err *reterr) MUSTCHECK;
/* Delete: its rows are no longer wanted; it is gone when they are. */
int sagemaker_endpoint_delete(struct manager *mgr, const struct endpoint_row *ep,
			      struct err *reterr) MUSTCHECK;

/* ---- the controller ---- */
/* After the commit: look at the rows now, not at the next beat. */
void sagemaker_reconcile_soon(struct manager *mgr);
void sagemaker_reconcile_on_commit(struct manager *mgr, void *arg, bool committed);
