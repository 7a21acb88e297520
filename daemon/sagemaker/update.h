/* SPDX-License-Identifier: MIT */
/* Updating an endpoint on SageMaker (on_existing: update). All inside a transaction. */
#pragma once

#include "daemon/sagemaker/controller.h"

/* Notes in the answer of the endpoint's row: the config that UpdateEndpoint took; the one that it
 * was sent, until the endpoint is settled; how often the parity check got no answer. */
#define SAGEMAKER_TRIED_KEY    "updating_to"
#define SAGEMAKER_TRIED_AT_KEY "updating_since_us"
#define SAGEMAKER_PENDING_KEY  "may_be_updating_to"
#define SAGEMAKER_ASKED_KEY    "parity_tries"

/* Names of configs: the one that the endpoint's row asks for, the one that describe said. */
const char *sagemaker_config_wanted(const struct resource_row *endpoint);
const char *sagemaker_config_used(const struct resource_row *endpoint);
/* The deploy job whose config the endpoint's row asks for. */
int sagemaker_deploy_of(struct manager *mgr, const struct resource_row *row, char job[ID_LEN],
			struct err *reterr) MUSTCHECK;

/* The job that updates the endpoint: 1 and *ret; 0: none does. */
int sagemaker_update_job(struct manager *mgr, const struct endpoint_row *ep, struct job_row *ret,
			 struct err *reterr) MUSTCHECK;
/* Its config is planned: the endpoint is to use it. *ret_row is the endpoint's row as it is then.
 */
int sagemaker_update_want(struct manager *mgr, const struct endpoint_row *ep, const char *config,
			  struct resource_row *ret_row, struct err *reterr) MUSTCHECK;
/* An endpoint that was adopted in the middle of an update is in service again: the config that it
 * uses now is the wanted one, others of it go. */
int sagemaker_update_accept(struct manager *mgr, const struct resource_row *row,
			    struct err *reterr) MUSTCHECK;
/* The endpoint is in service with another config than the wanted one. *ret_next becomes
 * SAGEMAKER_STEP_UPDATE when UpdateEndpoint is to be sent. */
int sagemaker_update_check(struct manager *mgr, const struct resource_row *row,
			   enum sagemaker_step *ret_next, struct err *reterr) MUSTCHECK;
int sagemaker_update_answered(struct manager *mgr, struct resource_row *row,
			      const struct aws_call *c, struct err *reterr) MUSTCHECK;
/* The new one is in use and has passed its check: the old model and config go. */
int sagemaker_update_done(struct manager *mgr, const struct resource_row *row,
			  const struct endpoint_row *ep, const json_t *result,
			  struct err *reterr) MUSTCHECK;
/* It takes longer than an endpoint may: 1, it is undone; 0: it does not. */
int sagemaker_update_late(struct manager *mgr, const struct resource_row *row,
			  struct err *reterr) MUSTCHECK;
/* The endpoint goes: what updates it ends. */
int sagemaker_update_drop(struct manager *mgr, const struct endpoint_row *ep,
			  const struct reason *why, struct err *reterr) MUSTCHECK;
/* 1: the job's staging is told to stop, and the end of that ends the job; 0: it has none. */
int sagemaker_staging_stop(struct manager *mgr, const struct job_row *job,
			   struct err *reterr) MUSTCHECK;
/* A stop was asked for of a deploy job that has made no endpoint. */
int sagemaker_update_cancel(struct manager *mgr, const struct job_row *job,
			    struct err *reterr) MUSTCHECK;
/* Back to what it was; the update's job fails (or is cancelled). Nothing when none is under way. */
int sagemaker_update_undo(struct manager *mgr, const char *endpoint, const struct reason *why,
			  struct err *reterr) MUSTCHECK;
