/* SPDX-License-Identifier: MIT */
/*
 * The SageMaker target: train, script and deploy jobs, and endpoints, that run on SageMaker.
 * Manager's thread. The manager keeps intents (storage/store_resource.h). One controller brings
 * each resource to the state that its row wants: describe, create, stop, delete. The controller
 * makes one call at a time for each resource, paced by aws/client.h. Every step is: transaction
 * (the row records the call) → call → transaction (the answer is applied). If an answer is lost in
 * between, describing the row's name finds the resource again.
 */
#pragma once

#include "aws/credentials.h"
#include "daemon/core.h"
#include "storage/store_resource.h"

/* Create the net thread and the AWS client from the settings. A failure does not stop the daemon:
 * the target waits with that reason (mgr->aws_why), and mgr->aws stays NULL. */
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
/* True if the job can start now. Otherwise *reason is the reason: credentials, money, a running
 * look-up, … Never blocks. Starts missing look-ups and calls manager_want_schedule() when they are
 * answered. */
bool sagemaker_may_start(struct manager *mgr, const struct job_row *job, struct reason *reason);
/* Explain a job with intents: its wait, or its progress on SageMaker. Returns false if it has no
 * active intents. */
bool sagemaker_explain(struct manager *mgr, const struct job_row *job, struct reason *reason);
/* The location of a job's files. -ERR_INVALID if a look-up shows that the job cannot run; *ret_code
 * is the reason. */
struct sagemaker_location {
	char region[AWS_REGION_MAX];
	char account[16];
	char bucket[64];
	/* True for sagemaker-{region}-{account}: may be created, and its owner is checked */
	bool default_bucket;
	char prefix[256];    /* "trainyard/RUN/JOB/" */
	char role_arn[2049]; /* the maximum length in SageMaker */
};
int sagemaker_location_of(struct manager *mgr, const struct job_row *job, const json_t *spec,
			  struct sagemaker_location *ret, enum reason_code *ret_code,
			  struct err *reterr) MUSTCHECK;
/* The location and the model's location, as an execution's spec.json stores them. After the staging
 * these values stay valid, even if the configuration or a look-up changes. */
json_t *sagemaker_location_json(const struct sagemaker_location *at, const char *model);
/* Read them back. `model` (SPEC_PATH_MAX + 1 bytes) is "" if there is none. */
int sagemaker_location_read(const char *dir, struct sagemaker_location *ret, char *model,
			    struct err *reterr) MUSTCHECK;
/* Find the model of a training job of the account. Returns 1 and *ret, 0 if it is not known yet,
 * -ERR_INVALID if there is none. */
int sagemaker_artifact(struct manager *mgr, const char *training_job, const char *region, char *ret,
		       size_t size, struct err *reterr) MUSTCHECK;

/* All in a transaction. The staging of a SageMaker job has succeeded: reserve the money and write
 * the intents. */
int sagemaker_staged(struct manager *mgr, const struct job_row *job, const struct execution *ex,
		     struct err *reterr) MUSTCHECK;
/* Stop a job with intents. Returns 1, or 0 if it has none and its staging execution must be
 * stopped. */
int sagemaker_cancel(struct manager *mgr, const struct job_row *job, struct err *reterr) MUSTCHECK;
/* The staging has failed: abandon the endpoint. */
int sagemaker_endpoint_abandon(struct manager *mgr, const struct job_row *job,
			       const struct reason *reason, struct err *reterr) MUSTCHECK;
/* Delete the endpoint: mark its rows as unwanted. The endpoint is gone when its resources are. */
int sagemaker_endpoint_delete(struct manager *mgr, const struct endpoint_row *ep,
			      struct err *reterr) MUSTCHECK;

/* ---- the controller ---- */
/* Call after a commit: examine the rows now, not only at the next resync. */
void sagemaker_reconcile_soon(struct manager *mgr);
void sagemaker_reconcile_on_commit(struct manager *mgr, void *arg, bool committed);
