/* SPDX-License-Identifier: MIT */
/* The deploy job that updates an endpoint: finding it, its staging, the loss of the endpoint.
 * Manager's thread. */
#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/sagemaker/update.h"
#include "daemon/schedule/job_state.h"

#include <string.h>

int sagemaker_update_job(struct manager *mgr, const struct endpoint_row *ep, struct job_row *ret,
			 struct err *reterr)
{
	static const enum job_state states[] = {STATE_STARTING, STATE_RUNNING, STATE_STOPPING};

	for (size_t s = 0; s < ARRAY_LEN(states); s++) {
		OWN(job_rows_done) struct job_rows jobs = {0};
		int r = store_jobs_in_state(mgr->store, states[s], &jobs, reterr);

		if (r < 0)
			return r;
		for (size_t i = 0; i < jobs.n; i++) {
			struct job_row *job = &jobs.rows[i];

			if (job->kind != JOB_DEPLOY || !sagemaker_runs(job) ||
			    str_eq(job->id, ep->job) ||
			    !str_eq(json_get_str(job->spec, "endpoint", ""), ep->name))
				continue;
			*ret = *job;
			*job = (struct job_row){0};
			return 1;
		}
	}
	return 0;
}

int sagemaker_staging_stop(struct manager *mgr, const struct job_row *job, struct err *reterr)
{
	const struct execution *ex = execution_of_job(mgr, job->id);
	int r = ex ? execution_stop_later(mgr, ex, reterr) : 0;

	return r < 0 ? r : ex != NULL;
}

int sagemaker_update_drop(struct manager *mgr, const struct endpoint_row *ep,
			  const struct reason *cause, struct err *reterr)
{
	OWN(job_row_done) struct job_row job = {0};
	struct reason reason;
	int r = sagemaker_update_job(mgr, ep, &job, reterr);

	if (r > 0)
		r = sagemaker_staging_stop(mgr, &job, reterr) ?: 2;
	if (r != 2)
		return r < 0 ? r : 0;
	reason_set(&reason, cause->code, "endpoint '%s' was deleted during its update: %s",
		   ep->name, cause->message);
	return endpoint_update_end(mgr, job.id, STATE_FAILED, &reason, NULL, reterr);
}
