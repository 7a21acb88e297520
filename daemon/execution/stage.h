/* SPDX-License-Identifier: MIT */
/*
 * Staging: what an attempt fetches before its main work and pushes after it (wire/transfer.h). For
 * a job that runs here: inputs that lie elsewhere (S3, a URL, the hub), outputs that go to S3. For
 * a job that runs on SageMaker: everything of it that lies here. Manager thread.
 */
#pragma once

#include "daemon/core.h"

#define STAGE_SOURCE	"source"    /* in work/: what an upload takes out of S3 */
#define STAGE_CONTAINER "container" /* in work/: our script for the container */

struct stage {
	json_t *fetch, *push; /* lists, NULL when there is nothing */
	json_t *aws;	      /* {"region","profile","account"} */
	json_t *place;	      /* of a job that runs on SageMaker: sagemaker_location_json() */
	bool only;	      /* nothing but the lists is to be done */
	bool container;	      /* work/container/ is to be filled */
};
void stage_done(struct stage *s);

/* The lists of a job's resolved spec. -ERR_INVALID: it cannot be (*ret_code why). */
int stage_of(struct manager *mgr, const struct job_row *job, const json_t *spec, struct stage *ret,
	     enum reason_code *ret_code, struct err *reterr) MUSTCHECK;
/* Write work/container/. */
int stage_write_container(int work_dirfd, struct err *reterr) MUSTCHECK;
/* The names of variables of our own environment that a transfer may need. NULL-terminated. */
extern const char *const stage_inherited[];

/* What the transfers of an ended execution in `dir` say: {"POINTER": value}, a new reference; an
 * empty object when there were none. */
int stage_results(const char *dir, json_t **ret, struct err *reterr) MUSTCHECK;
/* "/outputs/NAME" of the results as outputs of the job. */
void stage_add_outputs(const json_t *results, json_t *outputs);
