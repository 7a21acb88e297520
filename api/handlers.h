/* SPDX-License-Identifier: MIT */
/* The first step of each route's handler, by noun. The table in api/routes.c assigns them. The
 * server's threads call them. */
#pragma once

#include "api/request.h"

/* runs.c */
void runs_submit(struct request *rq);
void runs_list(struct request *rq);
void runs_get(struct request *rq);
void runs_cancel(struct request *rq);
void runs_retry(struct request *rq);
void runs_hold(struct request *rq);
void runs_release(struct request *rq);
void runs_priority(struct request *rq);
void runs_explain(struct request *rq);
void runs_spec(struct request *rq);
void validate(struct request *rq);
/* prune.c */
void runs_delete(struct request *rq);
void prune_runs(struct request *rq);
/* jobs.c */
void jobs_submit(struct request *rq);
void jobs_list(struct request *rq);
void jobs_get(struct request *rq);
void jobs_cancel(struct request *rq);
void jobs_retry(struct request *rq);
void jobs_hold(struct request *rq);
void jobs_priority(struct request *rq);
void jobs_release(struct request *rq);
void jobs_attempts(struct request *rq);
void jobs_explain(struct request *rq);
/* logs.c, metrics.c, artifacts.c */
void jobs_logs(struct request *rq);
void endpoints_logs(struct request *rq);
void jobs_metrics(struct request *rq);
void jobs_artifacts(struct request *rq);
void jobs_artifact(struct request *rq);
/* events.c */
void events_list(struct request *rq);
/* endpoints.c, invocations.c */
void endpoints_list(struct request *rq);
void endpoints_get(struct request *rq);
void endpoints_delete(struct request *rq);
void endpoints_renew(struct request *rq);
void endpoints_rollback(struct request *rq);
void endpoints_invoke(struct request *rq);
void sagemaker_invoke(struct request *rq);
/* models.c */
void models_list(struct request *rq);
void models_get(struct request *rq);
void models_add(struct request *rq);
void models_remove(struct request *rq);
/* costs.c */
void costs(struct request *rq);
/* usage.c */
void disk_usage(struct request *rq);
/* backups.c */
void backups_make(struct request *rq);
void backups_list(struct request *rq);
/* restore.c */
void restore_get(struct request *rq);
void restore_confirm(struct request *rq);
/* doctor.c */
void doctor(struct request *rq);
/* notifications.c */
void notifications_test(struct request *rq);
/* roles.c, training_jobs.c */
void roles_list(struct request *rq);
void roles_get(struct request *rq);
void training_jobs_list(struct request *rq);
void training_jobs_get(struct request *rq);
void training_jobs_logs(struct request *rq);
/* overview.c, health.c, openapi.c */
void overview(struct request *rq);
void devices(struct request *rq);
void queue(struct request *rq);
void version(struct request *rq);
void healthz(struct request *rq);
void readyz(struct request *rq);
void metrics_text(struct request *rq); /* figures.c */
void openapi(struct request *rq);
