/* SPDX-License-Identifier: MIT */
/*
 * Plans the transfers of an attempt: what to fetch before the main work and to push after it
 * (wire/transfer.h). A local job fetches remote inputs (S3, a URL, the hub) and pushes outputs to
 * S3. A SageMaker job pushes all its local files. Manager's thread.
 */
#pragma once

#include "daemon/core.h"

#define TRANSFER_SOURCE	   "source"    /* in work/: the objects that an upload takes from S3 */
#define TRANSFER_CONTAINER "container" /* in work/: Trainyard's own script for the container */

struct transfer_plan {
	json_t *fetch, *push; /* lists; NULL if empty */
	json_t *aws;	      /* {"region","profile","account"} */
	json_t *place;	      /* of a SageMaker job: sagemaker_location_json() */
	bool only;	      /* True if the execution only runs the lists */
	bool container;	      /* True if work/container/ must be filled */
};
void transfer_plan_done(struct transfer_plan *s);

/* Build the lists of a job's resolved spec. -ERR_INVALID if that is impossible; *ret_code is the
 * reason. */
int transfer_plan_make(struct manager *mgr, const struct job_row *job, const json_t *spec,
		       struct transfer_plan *ret, enum reason_code *ret_code,
		       struct err *reterr) MUSTCHECK;
/* Write work/container/. */
int transfer_write_container(int work_dirfd, struct err *reterr) MUSTCHECK;
/* Names of environment variables of the daemon that a transfer may need. NULL-terminated. */
extern const char *const transfer_environment[];

/* Read the results of the transfers of an ended execution in `dir`: {"POINTER": value}, an empty
 * object if there were none. New reference. */
int transfer_results_read(const char *dir, json_t **ret, struct err *reterr) MUSTCHECK;
/* Add the results "/outputs/NAME" to the job's outputs. */
void transfer_results_add(const json_t *results, json_t *outputs);
