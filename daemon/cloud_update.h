/* SPDX-License-Identifier: MIT */
/* Updating an endpoint on SageMaker (on_existing: update). All inside a turn. */
#pragma once

#include "daemon/cloud.h"

#define CLOUD_TRIED_KEY "updating_to" /* in the row's answer: UpdateEndpoint took this config */

/* Names of configs: the one that the endpoint's row asks for, the one that describe said. */
const char *cloud_config_wanted(const struct cloud_row *endpoint);
const char *cloud_config_used(const struct cloud_row *endpoint);
/* The deploy job whose config the endpoint's row asks for. */
int cloud_deploy_of(struct engine *e, const struct cloud_row *row, char job[ID_LEN],
		    struct err *reterr) MUSTCHECK;

/* A deploy job meets a live endpoint of its name. 0: it updates it; 1: it cannot, and has failed.
 */
int cloud_update_begin(struct engine *e, const struct job_row *job, const struct endpoint_row *ep,
		       struct err *reterr) MUSTCHECK;
/* Its config is planned: the endpoint is to use it. *ret_row is the endpoint's row as it is then.
 */
int cloud_update_want(struct engine *e, const struct endpoint_row *ep, const char *config,
		      struct cloud_row *ret_row, struct err *reterr) MUSTCHECK;
/* The endpoint is in service with another config than the wanted one. */
int cloud_update_look(struct engine *e, const struct cloud_row *row, struct err *reterr) MUSTCHECK;
int cloud_update_answered(struct engine *e, struct cloud_row *row, const struct aws_call *c,
			  struct err *reterr) MUSTCHECK;
/* The new one is in use and has passed its check: the old model and config go. */
int cloud_update_done(struct engine *e, const struct cloud_row *row, const struct endpoint_row *ep,
		      const json_t *result, struct err *reterr) MUSTCHECK;
/* Back to what it was; the update's job fails (or is cancelled). */
int cloud_update_undo(struct engine *e, const char *endpoint, const struct reason *why,
		      struct err *reterr) MUSTCHECK;
