/* SPDX-License-Identifier: MIT */
/* Updates an endpoint on SageMaker (on_existing: update). Manager's thread; all functions run in a
 * transaction. */
#pragma once

#include "daemon/sagemaker/controller.h"

/* Keys in the answer of the endpoint's row: the config that UpdateEndpoint accepted; the config
 * that was sent, until the endpoint has settled; the number of failed parity checks. */
#define SAGEMAKER_TRIED_KEY    "updating_to"
#define SAGEMAKER_TRIED_AT_KEY "updating_since_us"
#define SAGEMAKER_PENDING_KEY  "may_be_updating_to"
#define SAGEMAKER_ASKED_KEY    "parity_tries"

/* Names of configs: the one that the endpoint's row wants, and the one from the last describe. */
const char *sagemaker_config_wanted(const struct resource_row *endpoint);
const char *sagemaker_config_used(const struct resource_row *endpoint);
/* Find the deploy job whose config the endpoint's row wants. */
int sagemaker_deploy_of(struct manager *mgr, const struct resource_row *row, char job[ID_LEN],
			struct err *reterr) MUSTCHECK;

/* Find the job that updates the endpoint. Returns 1 and *ret, or 0 if there is none. */
int sagemaker_update_job(struct manager *mgr, const struct endpoint_row *ep, struct job_row *ret,
			 struct err *reterr) MUSTCHECK;
/* The new config is planned: the endpoint must use it. *ret_row is the endpoint's changed row. */
int sagemaker_update_want(struct manager *mgr, const struct endpoint_row *ep, const char *config,
			  struct resource_row *ret_row, struct err *reterr) MUSTCHECK;
/* An endpoint that was adopted during an update is in service again: its current config becomes the
 * wanted one, and its other configs are deleted. */
int sagemaker_update_accept(struct manager *mgr, const struct resource_row *row,
			    struct err *reterr) MUSTCHECK;
/* The endpoint is in service with another config than the wanted one: continue the update.
 * *ret_next becomes SAGEMAKER_STEP_UPDATE if UpdateEndpoint must be sent. */
int sagemaker_update_check(struct manager *mgr, const struct resource_row *row,
			   enum sagemaker_step *ret_next, struct err *reterr) MUSTCHECK;
int sagemaker_update_answered(struct manager *mgr, struct resource_row *row,
			      const struct aws_call *c, struct err *reterr) MUSTCHECK;
/* The new config is in use and has passed the parity check: delete the old model and config. */
int sagemaker_update_done(struct manager *mgr, const struct resource_row *row,
			  const struct endpoint_row *ep, const json_t *result,
			  struct err *reterr) MUSTCHECK;
/* Undo an update that takes too long. Returns 1 if it was undone, else 0. */
int sagemaker_update_late(struct manager *mgr, const struct resource_row *row,
			  struct err *reterr) MUSTCHECK;
/* The endpoint is being deleted: end the job that updates it. */
int sagemaker_update_drop(struct manager *mgr, const struct endpoint_row *ep,
			  const struct reason *reason, struct err *reterr) MUSTCHECK;
/* Stop the job's staging, whose end also ends the job. Returns 1, or 0 if there is no staging. */
int sagemaker_staging_stop(struct manager *mgr, const struct job_row *job,
			   struct err *reterr) MUSTCHECK;
/* Cancel a deploy job that updates an endpoint. */
int sagemaker_update_cancel(struct manager *mgr, const struct job_row *job,
			    struct err *reterr) MUSTCHECK;
/* Roll back the update; its job fails (or is cancelled). Does nothing if no update is running. */
int sagemaker_update_undo(struct manager *mgr, const char *endpoint, const struct reason *reason,
			  struct err *reterr) MUSTCHECK;
