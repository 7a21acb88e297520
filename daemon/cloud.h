/* SPDX-License-Identifier: MIT */
/*
 * The SageMaker target: train, script and deploy jobs, and endpoints, that run in the cloud. On the
 * engine thread. The engine keeps intents (storage/store_cloud.h); one controller brings each
 * resource where its row wants it: describe, create, stop, delete, one call at a time per resource,
 * paced by aws/client.h. Every step is: turn (row says what will be sent) → call → turn (what the
 * answer means). Whatever is lost in between is found again by describing what has the row's name.
 *
 *   cloud.c            the controller: ticks, due rows, calls under way, answers dispatched
 *   cloud_training.c   training jobs: staged inputs → request → create → describe → end of the job
 *   cloud_endpoint.c   endpoints: model → config → endpoint, parity check, update, delete in order
 *   cloud_log.c        CloudWatch logs into the attempt's log file
 *   budget.c           prices, worst cases, caps
 *   stage.c            what an attempt has to fetch and push (both targets)
 */
#pragma once

#include "aws/client.h"
#include "daemon/core.h"
#include "storage/store_cloud.h"

/* Why the whole target waits (no credentials, no region): REASON_NONE when it does not. */
const struct reason *cloud_pause(const struct engine *e);

/* ---- for the scheduler, lifecycle and endpoints; inside a turn ---- */
/* Start a queued train, script or deploy job whose target is sagemaker: its staging execution. */
int cloud_start(struct engine *e, const struct job_row *job, const json_t *spec,
		struct execution_row *row, struct err *reterr) MUSTCHECK;
/* The staging execution of such a job has ended well: reserve the money, write the intents. */
int cloud_staged(struct engine *e, const struct job_row *job, const struct execution *ex,
		 struct err *reterr) MUSTCHECK;
/* Stop a running or starting one (after its staging, or instead of it). */
int cloud_cancel(struct engine *e, const struct job_row *job, struct err *reterr) MUSTCHECK;
/* Delete a SageMaker endpoint: its rows are no longer wanted. */
int cloud_endpoint_delete(struct engine *e, const struct endpoint_row *ep,
			  struct err *reterr) MUSTCHECK;
/* Can the job start now? false: *why says quota, capacity, money, credentials, … */
bool cloud_may_start(struct engine *e, const struct job_row *job, struct reason *why);

/* ---- the controller ---- */
/* After the commit of rows that are due: look at them now, not at the next tick. */
void cloud_kick(struct engine *e);
void cloud_tick(struct engine *e);				   /* every second */
int cloud_recover(struct engine *e, struct err *reterr) MUSTCHECK; /* at the start */
void cloud_free(struct engine *e);

/* One kind of resource, as the controller drives it. */
struct cloud_driver {
	const char *create, *describe, *end; /* operations; end: Stop… or Delete… */
	const char *name_key;		     /* "TrainingJobName" */
	/* All inside a turn. The answer of describe (never of create) in c->output: what it means
	 * for the row's owner; may change row->status, answer, next_us. */
	int (*seen)(struct engine *e, struct cloud_row *row, const struct aws_call *c,
		    struct err *reterr);
	/* The row has come to a final state. */
	int (*over)(struct engine *e, const struct cloud_row *row, struct err *reterr);
	/* May the row be created or ended now (order of model, config, endpoint)? */
	bool (*may_create)(struct engine *e, const struct cloud_row *row);
	bool (*may_end)(struct engine *e, const struct cloud_row *row);
};
extern const struct cloud_driver cloud_training_driver, cloud_model_driver, cloud_config_driver,
	cloud_endpoint_driver;
