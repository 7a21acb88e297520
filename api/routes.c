/* SPDX-License-Identifier: MIT */
/* The table of routes, and the replies to an unknown path, method or parameter. The server's
 * threads run this. */
#include "api/routes.h"

#include "api/handlers.h"
#include "api/reply.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/manager.h"

#include <stdio.h>
#include <string.h>

#define SEGMENT_SHOWN 40 /* bytes of a segment in "did you mean" */
#define PARAMS(...)   ((const char *const[]){__VA_ARGS__, NULL})

/* clang-format off */
static const struct route table[] = {
	{"POST", "/v1/runs", runs_submit, NULL, BODY_JSON, false, "Submit a pipeline"},
	{"GET", "/v1/runs", runs_list,
	 PARAMS("state", "name", "tag", "created_after", "created_before", "limit", "cursor",
		"sort", "view"),
	 BODY_NONE, false, "List runs"},
	{"GET", "/v1/runs/{run}", runs_get, NULL, BODY_NONE, false, "Get a run with its jobs"},
	{"DELETE", "/v1/runs/{run}", runs_delete, PARAMS("dry_run", "rows"), BODY_NONE, false,
	 "Remove the files of a run that has ended"},
	{"POST", "/v1/prune", prune_runs, NULL, BODY_OPTIONAL, false,
	 "Remove the files of runs that have ended"},
	{"POST", "/v1/runs/{run}/cancel", runs_cancel, NULL, BODY_OPTIONAL, false, "Cancel a run"},
	{"POST", "/v1/runs/{run}/retry", runs_retry, NULL, BODY_OPTIONAL, false,
	 "Retry the failed, cancelled and skipped jobs of a run"},
	{"POST", "/v1/runs/{run}/hold", runs_hold, NULL, BODY_OPTIONAL, false,
	 "Hold a run's waiting jobs back"},
	{"POST", "/v1/runs/{run}/release", runs_release, NULL, BODY_OPTIONAL, false,
	 "Release a run's held jobs"},
	{"POST", "/v1/runs/{run}/priority", runs_priority, NULL, BODY_JSON, false,
	 "Change the priority of a run's jobs"},
	{"GET", "/v1/runs/{run}/explain", runs_explain, NULL, BODY_NONE, false,
	 "Explain why a run's jobs do not run"},
	{"GET", "/v1/runs/{run}/spec", runs_spec, NULL, BODY_NONE, false,
	 "Get a run as it was submitted"},
	{"POST", "/v1/jobs", jobs_submit, NULL, BODY_JSON, false, "Submit one job"},
	{"GET", "/v1/jobs", jobs_list,
	 PARAMS("state", "name", "kind", "target", "run", "tag", "created_after", "created_before",
		"limit", "cursor", "sort", "view"),
	 BODY_NONE, false, "List jobs"},
	{"GET", "/v1/jobs/{job}", jobs_get, NULL, BODY_NONE, false, "Get a job"},
	{"POST", "/v1/jobs/{job}/cancel", jobs_cancel, NULL, BODY_OPTIONAL, false, "Cancel a job"},
	{"POST", "/v1/jobs/{job}/retry", jobs_retry, NULL, BODY_OPTIONAL, false, "Retry a job"},
	{"POST", "/v1/jobs/{job}/hold", jobs_hold, NULL, BODY_OPTIONAL, false,
	 "Hold a waiting job back"},
	{"POST", "/v1/jobs/{job}/release", jobs_release, NULL, BODY_OPTIONAL, false,
	 "Release a held job"},
	{"POST", "/v1/jobs/{job}/priority", jobs_priority, NULL, BODY_JSON, false,
	 "Change a waiting job's priority"},
	{"GET", "/v1/jobs/{job}/attempts", jobs_attempts, NULL, BODY_NONE, false,
	 "List the attempts of a job"},
	{"GET", "/v1/jobs/{job}/explain", jobs_explain, NULL, BODY_NONE, false,
	 "Explain why a job does not run"},
	{"GET", "/v1/jobs/{job}/logs", jobs_logs,
	 PARAMS("offset", "tail", "limit", "follow", "attempt"), BODY_NONE, false,
	 "Read or follow a job's log"},
	{"GET", "/v1/jobs/{job}/metrics", jobs_metrics, PARAMS("name", "since", "limit", "attempt"),
	 BODY_NONE, false, "Read a job's metrics"},
	{"GET", "/v1/jobs/{job}/artifacts", jobs_artifacts, PARAMS("prefix", "attempt"), BODY_NONE,
	 false, "List the files a job has made"},
	{"GET", "/v1/jobs/{job}/artifacts/{path...}", jobs_artifact, PARAMS("attempt"), BODY_NONE,
	 false, "Download a file a job has made"},
	{"GET", "/v1/events", events_list,
	 PARAMS("since", "wait", "run", "job", "kind", "limit", "generation"), BODY_NONE, false,
	 "Read events, or wait for them"},
	{"POST", "/v1/validate", validate, NULL, BODY_JSON, false,
	 "Check a pipeline or a job without submitting it"},
	{"GET", "/v1/endpoints", endpoints_list, PARAMS("state", "name", "limit", "cursor"),
	 BODY_NONE, false, "List endpoints"},
	{"GET", "/v1/endpoints/{name}", endpoints_get, NULL, BODY_NONE, false, "Get an endpoint"},
	{"DELETE", "/v1/endpoints/{name}", endpoints_delete, NULL, BODY_NONE, false,
	 "Delete an endpoint"},
	{"POST", "/v1/endpoints/{name}/renew", endpoints_renew, NULL, BODY_OPTIONAL, false,
	 "Renew an endpoint's lease"},
	{"POST", "/v1/endpoints/{name}/rollback", endpoints_rollback, NULL, BODY_OPTIONAL, false,
	 "Roll an endpoint back to the model before its last update"},
	{"POST", "/v1/endpoints/{name}/invocations", endpoints_invoke, NULL, BODY_RAW, false,
	 "Send a request to an endpoint"},
	{"GET", "/v1/endpoints/{name}/logs", endpoints_logs,
	 PARAMS("offset", "tail", "limit", "follow"), BODY_NONE, false,
	 "Read or follow an endpoint's log"},
	{"POST", "/endpoints/{name}/invocations", sagemaker_invoke, NULL, BODY_RAW, true,
	 "Send a request to an endpoint, as to the SageMaker runtime"},
	{"GET", "/v1/models", models_list, NULL, BODY_NONE, false, "List the registered models"},
	{"GET", "/v1/models/{name}", models_get, NULL, BODY_NONE, false, "Get a registered model"},
	{"PUT", "/v1/models/{name}", models_add, PARAMS("dry_run"), BODY_JSON, false,
	 "Register a model under a name"},
	{"DELETE", "/v1/models/{name}", models_remove, NULL, BODY_NONE, false,
	 "Remove the name of a model"},
	{"GET", "/v1/roles", roles_list, PARAMS("path_prefix", "name_contains", "limit", "cursor"),
	 BODY_NONE, false, "List the IAM roles that SageMaker may assume"},
	{"GET", "/v1/roles/{name}", roles_get, PARAMS("bucket", "region"), BODY_NONE, false,
	 "Get a role with its policies and a check of what they allow"},
	{"GET", "/v1/sagemaker/training-jobs", training_jobs_list,
	 PARAMS("created_after", "created_before", "status", "name_contains", "region", "limit",
		"cursor"),
	 BODY_NONE, false, "List the training jobs of the AWS account"},
	{"GET", "/v1/sagemaker/training-jobs/{name}", training_jobs_get, PARAMS("region"),
	 BODY_NONE, false, "Get a training job of the AWS account"},
	{"GET", "/v1/sagemaker/training-jobs/{name}/logs", training_jobs_logs,
	 PARAMS("region", "tail", "limit", "cursor"), BODY_NONE, false,
	 "Read the log of a training job of the AWS account"},
	{"GET", "/v1/overview", overview, NULL, BODY_NONE, false,
	 "Get the state of everything, as a dashboard shows it first"},
	{"GET", "/v1/devices", devices, NULL, BODY_NONE, false, "List GPUs and CPU slots"},
	{"GET", "/v1/queue", queue, PARAMS("limit"), BODY_NONE, false,
	 "List waiting jobs in the order in which they would start"},
	{"GET", "/v1/costs", costs, PARAMS("from", "to"), BODY_NONE, false,
	 "Get the costs, reservations and caps"},
	{"POST", "/v1/backups", backups_make, NULL, BODY_OPTIONAL, false,
	 "Make a backup of the database"},
	{"GET", "/v1/backups", backups_list, NULL, BODY_NONE, false,
	 "List the backups of the database"},
	{"GET", "/v1/restore", restore_get, NULL, BODY_NONE, false,
	 "Get whether a restored database waits for its confirmation"},
	{"POST", "/v1/restore/confirm", restore_confirm, NULL, BODY_OPTIONAL, false,
	 "Confirm a restored database, so that jobs start"},
	{"POST", "/v1/notifications/test", notifications_test, NULL, BODY_OPTIONAL, false,
	 "Send a test notification"},
	{"GET", "/v1/doctor", doctor, NULL, BODY_NONE, false,
	 "Look at what jobs need of this machine"},
	{"GET", "/v1/disk-usage", disk_usage, PARAMS("run"), BODY_NONE, false,
	 "Measure the disk usage"},
	{"GET", "/v1/version", version, NULL, BODY_NONE, false, "Get the version"},
	{"GET", "/healthz", healthz, NULL, BODY_NONE, false, "Check that the daemon is alive"},
	{"GET", "/readyz", readyz, NULL, BODY_NONE, false, "Check that the daemon is ready"},
	{"GET", "/metrics", metrics_text, NULL, BODY_NONE, false,
	 "Get the daemon's figures for Prometheus"},
	{"GET", "/openapi.json", openapi, NULL, BODY_NONE, false, "Get the OpenAPI description"},
};
/* clang-format on */

_Static_assert(ARRAY_LEN(table) <= ROUTES_MAX, "raise ROUTES_MAX");

size_t route_body_max(const struct route *route, size_t json_max)
{
	switch (route->body) {
	case BODY_NONE:
		return 0;
	case BODY_OPTIONAL:
		return REQUEST_BODY_SMALL_MAX;
	case BODY_JSON:
		return json_max;
	case BODY_RAW:
		return MANAGER_INVOKE_BODY_MAX;
	}
	return 0;
}

/* Join the decoded segments from `first` on with '/'. */
static char *join_rest(const struct request *rq, size_t first)
{
	struct buf text = BUF_INIT(API_URL_MAX);

	for (size_t i = first; i < rq->segments_n; i++)
		buf_printf(&text, "%s%s", i > first ? "/" : "", rq->segments[i]);
	return buf_take(&text);
}

/* True if the path matches the pattern. Fills rq->args; *rest is the first segment of a
 * "{path...}". */
static bool pattern_fits(struct request *rq, const char *pattern, size_t *rest)
{
	size_t i = 0, args = 0;

	*rest = 0;
	while (*pattern) {
		const char *part = pattern + 1;
		size_t n = strcspn(part, "/");

		if (i == rq->segments_n)
			return false;
		if (part[0] != '{') {
			if (strlen(rq->segments[i]) != n || memcmp(rq->segments[i], part, n) != 0)
				return false;
		} else if (memcmp(part + n - 4, "...}", 4) == 0) {
			*rest = i;
			return true;
		} else if (*rq->segments[i] && args < REQUEST_ARGS_MAX) {
			rq->args[args++] = rq->segments[i];
		} else {
			return false;
		}
		i++;
		pattern = part + n;
	}
	return i == rq->segments_n;
}

/* Fill the {…} parts of a pattern with the request's own segments, for the suggestion. */
static void fill_pattern(const struct request *rq, const char *pattern, char *to, size_t size)
{
	size_t used = 0;

	*to = '\0';
	for (size_t i = 0; *pattern && used < size - 1; i++) {
		const char *part = pattern + 1;
		size_t n = strcspn(part, "/");
		bool open = part[0] == '{' && i < rq->segments_n && *rq->segments[i];

		str_excerptf(to + used, size - used, "/%.*s", open ? SEGMENT_SHOWN : (int)n,
			     open ? rq->segments[i] : part);
		used += strlen(to + used);
		pattern = part + n;
	}
}

static bool refuse_path(struct request *rq)
{
	char filled[ARRAY_LEN(table)][80], path[80];
	const char *candidates[ARRAY_LEN(table)], *near;

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		fill_pattern(rq, table[i].pattern, filled[i], sizeof(filled[i]));
		candidates[i] = filled[i];
	}
	str_excerpt(path, sizeof(path), rq->uri);
	path[strcspn(path, "?#")] = '\0';
	near = str_nearest(path, candidates, ARRAY_LEN(table));
	reply_problem(rq, 404, "no_such_route", "there is no route '%s %.200s'%s%s%s", rq->method,
		      path, near ? "; did you mean " : "; see /openapi.json", near ? near : "",
		      near ? "?" : "");
	return false;
}

bool routes_find(struct request *rq)
{
	const char *allowed[8];
	char allow[64] = "";
	size_t allowed_n = 0, rest;

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (!pattern_fits(rq, table[i].pattern, &rest))
			continue;
		rq->route = &table[i];
		rq->route_n = i + 1;
		if (str_eq(table[i].method, rq->method)) {
			rq->rest = rest ? join_rest(rq, rest) : NULL;
			return true;
		}
		if (allowed_n < ARRAY_LEN(allowed))
			allowed[allowed_n++] = table[i].method;
	}
	if (!allowed_n)
		return refuse_path(rq);
	for (size_t i = 0; i < allowed_n; i++) {
		size_t used = strlen(allow);

		str_must_format(allow + used, sizeof(allow) - used, "%s%s%s", used ? ", " : "",
				allowed[i], str_eq(allowed[i], "GET") ? ", HEAD" : "");
	}
	reply_problem(rq, 405, "method_not_allowed", "%.16s is not possible on %s; use %s",
		      rq->method, rq->route->pattern, allow);
	reply_header(rq, "Allow", allow);
	return false;
}

bool routes_check_params(struct request *rq)
{
	const char *const *names = rq->route->params;
	size_t names_n = 0;

	while (names && names[names_n])
		names_n++;
	for (size_t i = 0; i < rq->params_n; i++) {
		const char *name = rq->params[i].name, *near;
		bool known = false;

		for (size_t k = 0; k < names_n && !known; k++)
			known = str_eq(name, names[k]);
		near = known || !names_n ? NULL : str_nearest(name, names, names_n);
		if (!known) {
			reply_problem(rq, 400, "unknown_parameter",
				      "%s has no query parameter '%.64s'%s%s%s", rq->route->pattern,
				      name, near ? "; did you mean '" : "", near ? near : "",
				      near ? "'?" : "");
			return false;
		}
		if (request_param(rq, name) != rq->params[i].value) {
			reply_problem(rq, 400, "invalid_parameter",
				      "the query parameter '%s' is given twice; give it once",
				      name);
			return false;
		}
	}
	return true;
}
