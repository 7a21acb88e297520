/* SPDX-License-Identifier: MIT */
/* Submits a run or a job: the server's thread checks the body, then the manager stores it. Handlers
 * call this. */
#pragma once

#include "api/request.h"

/* True if the body is one job, not a run. */
bool submit_is_job(const struct request *rq);
/* Check the body and queue the submit. Replies 422 with all problems if the body is invalid. `then`
 * runs after the commit. */
void submit(struct request *rq, bool is_job, void (*then)(struct request *rq));
/* Reply 422 with all problems of a body. */
void submit_refused(struct request *rq, const char *code, json_t *problems);
/* A `then`: reply 201 with the run, or with its only job, as they are at the commit. */
void submit_reply_run(struct request *rq);
void submit_reply_job(struct request *rq);
