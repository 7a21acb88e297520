/* SPDX-License-Identifier: MIT */
/* Submitting a run or a job: everything is checked on this thread, then the manager stores it. */
#pragma once

#include "api/request.h"

/* True if the body is one job, not a run of jobs. */
bool submit_is_job(const struct request *rq);
/* Check the body (422 with every problem found) and queue the submit; `then` follows the commit. */
void submit(struct request *rq, bool is_job, void (*then)(struct request *rq));
/* 422: the problems of a body, all of them. */
void submit_refused(struct request *rq, const char *code, json_t *problems);
/* In `then`: add what the submit warned of as "warnings", if anything. */
void submit_add_warnings(const struct request *rq, json_t *item);
/* jobs.c, a `then` of one job: 201 with it. */
void submit_reply_job(struct request *rq);
