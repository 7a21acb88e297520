/* SPDX-License-Identifier: MIT */
/*
 * Runs and jobs: lists, one item in full, waiting, and the actions on them.
 */
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "cli/follow.h"
#include "cli/list.h"

static const struct show_column run_columns[] = {
	{"RUN", "id"},
	{"NAME", "name", SHOW_TEXT, 24},
	{"STATE", "state"},
	{"CREATED", "created_at", SHOW_TIME},
	{"TOOK", "started_at", SHOW_TOOK},
	{NULL},
};
static const struct show_column job_columns[] = {
	{"JOB", "id"},
	{"RUN", "run"},
	{"NAME", "name", SHOW_TEXT, 24},
	{"KIND", "kind"},
	{"STATE", "state"},
	{"PROGRESS", "progress", SHOW_PROGRESS},
	{"TOOK", "started_at", SHOW_TOOK},
	{"REASON", "reason", SHOW_REASON},
	{NULL},
};
static const struct show_column run_job_columns[] = {
	/* of one run */
	{"JOB", "id"},
	{"NAME", "name", SHOW_TEXT, 24},
	{"KIND", "kind"},
	{"STATE", "state"},
	{"PROGRESS", "progress", SHOW_PROGRESS},
	{"TOOK", "started_at", SHOW_TOOK},
	{"REASON", "reason", SHOW_REASON},
	{NULL},
};
static const struct show_column run_fields[] = {
	{"run", "id"},
	{"name", "name"},
	{"state", "state"},
	{"reason", "reason", SHOW_REASON},
	{"created", "created_at", SHOW_TIME},
	{"started", "started_at", SHOW_TIME},
	{"finished", "finished_at", SHOW_TIME},
	{"took", "started_at", SHOW_TOOK},
	{"tags", "tags"},
	{NULL},
};
static const struct show_column job_fields[] = {
	{"job", "id"},
	{"name", "name"},
	{"run", "run"},
	{"kind", "kind"},
	{"target", "target"},
	{"state", "state"},
	{"reason", "reason", SHOW_REASON},
	{"held", "held"},
	{"attempt", "attempt"},
	{"priority", "priority"},
	{"progress", "progress", SHOW_PROGRESS},
	{"created", "created_at", SHOW_TIME},
	{"started", "started_at", SHOW_TIME},
	{"finished", "finished_at", SHOW_TIME},
	{"took", "started_at", SHOW_TOOK},
	{"on SageMaker", "sagemaker.training_job"},
	{"endpoint", "sagemaker.endpoint"},
	{"region", "sagemaker.region"},
	{"status there", "sagemaker.status"},
	{"", "sagemaker.secondary_status"},
	{"reason there", "sagemaker.reason", SHOW_REASON},
	{"failure", "sagemaker.failure_reason"},
	{"billable s", "sagemaker.billable_seconds"},
	{"reserved $", "cost.reserved_usd"},
	{"settled $", "cost.settled_usd"},
	{"at most $", "cost.worst_case_usd"},
	{"tags", "tags"},
	{NULL},
};

int cmd_runs(struct cli *c)
{
	struct request_path p;

	request_path(&p, "/v1/runs");
	request_path_param(&p, "state", cli_get(c, "state"));
	request_path_param(&p, "name", cli_get(c, "name"));
	request_path_param(&p, "limit", cli_get(c, "limit"));
	return cli_list(c, &p, run_columns, "There are no runs that match.");
}

int cmd_jobs(struct cli *c)
{
	struct request_path p;

	request_path(&p, "/v1/jobs");
	request_path_param(&p, "state", cli_get(c, "state"));
	request_path_param(&p, "kind", cli_get(c, "kind"));
	request_path_param(&p, "run", cli_get(c, "run"));
	request_path_param(&p, "limit", cli_get(c, "limit"));
	return cli_list(c, &p, job_columns, "There are no jobs that match.");
}

int cmd_queue(struct cli *c)
{
	struct request_path p;

	request_path(&p, "/v1/queue");
	return cli_list(c, &p, job_columns, "No job waits.");
}

static void show_outputs(const json_t *job)
{
	json_t *value;
	const char *key;

	json_object_foreach((json_t *)json_object_get(job, "outputs"), key, value) {
		struct show_column column = {"", key};
		char cell[SHOW_CELL_MAX];

		show_cell(cell, json_object_get(job, "outputs"), &column);
		printf("%-11s %s = %s\n", "output", key, cell);
	}
}

int cmd_show(struct cli *c)
{
	OWN(json_decrefp) json_t *answer = NULL;
	const json_t *job;
	struct request_path p;
	char id[ID_LEN];
	struct err e;
	bool is_run;
	size_t i;
	int r = client_resolve(c, c->args[0], id, &is_run, &e);

	request_path(&p, "/v1/%s/%s%s", is_run ? "runs" : "jobs", id,
		     is_run && cli_get(c, "spec") ? "/spec" : "");
	if (r >= 0)
		r = client_request(c, "GET", &p, NULL, &answer, &e);
	if (r < 0)
		return cli_fail(c, &e);
	if (c->json || cli_get(c, "spec")) {
		show_json(!is_run && cli_get(c, "spec") ? json_object_get(answer, "spec") : answer);
		return CLI_OK;
	}
	show_fields(answer, is_run ? run_fields : job_fields);
	show_outputs(answer);
	show_warnings(stdout, "warning    ", NULL, json_object_get(answer, "warnings"));
	if (is_run) {
		putchar('\n');
		show_table(json_object_get(answer, "jobs"), run_job_columns,
			   "The run has no jobs.");
		json_array_foreach(json_object_get(answer, "jobs"), i, job)
			show_warnings(stdout, "warning     ", json_get_str(job, "name", ""),
				      json_object_get(job, "warnings"));
	}
	return CLI_OK;
}

int cmd_wait(struct cli *c)
{
	char id[ID_LEN], state[24];
	int64_t timeout_us = 0;
	struct err e;
	bool is_run;
	int r = client_resolve(c, c->args[0], id, &is_run, &e);

	if (r >= 0 && cli_get(c, "timeout") &&
	    duration_parse(cli_get(c, "timeout"), &timeout_us) < 0)
		r = err_set(&e, ERR_INVALID,
			    "--timeout needs a duration such as 90s or 15m, not '%s'",
			    cli_get(c, "timeout"));
	if (r >= 0)
		r = follow_to_end(c, id, is_run, timeout_us, state, &e);
	return r < 0 ? cli_fail(c, &e) : follow_verdict(c, id, state);
}

/* Send POST /v1/runs|jobs/{id}/VERB; `body` may be NULL. */
static int act_with(struct cli *c, const char *verb, const json_t *body, const char *done)
{
	OWN(json_decrefp) json_t *answer = NULL;
	struct request_path p;
	char id[ID_LEN];
	struct err e;
	bool is_run = false;
	int r = client_resolve(c, c->args[0], id, &is_run, &e);

	request_path(&p, "/v1/%s/%s/%s", is_run ? "runs" : "jobs", id, verb);
	if (r >= 0)
		r = client_request(c, "POST", &p, body, &answer, &e);
	if (r < 0)
		return cli_fail(c, &e);
	if (c->json)
		show_json(answer);
	else
		printf("%s: %s\n", id, done);
	return CLI_OK;
}

static int act(struct cli *c, const char *verb, const char *done)
{
	return act_with(c, verb, NULL, done);
}

int cmd_cancel(struct cli *c)
{
	return act(c, "cancel", "will be cancelled");
}

int cmd_retry(struct cli *c)
{
	return act(c, "retry", "will be tried again");
}

int cmd_hold(struct cli *c)
{
	return act(c, "hold", "is held");
}

int cmd_priority(struct cli *c)
{
	OWN(json_decrefp) json_t *body = NULL;
	int64_t priority;
	struct err e;

	if (str_to_i64(c->args[1], &priority) < 0) {
		err_set(&e, ERR_INVALID,
			"the priority '%s' is not a whole number from -1000 to 1000", c->args[1]);
		return cli_fail(c, &e);
	}
	body = json_pack("{sI}", "priority", (json_int_t)priority);
	return act_with(c, "priority", body, "has its new priority");
}

int cmd_release(struct cli *c)
{
	return act(c, "release", "is released");
}

static void show_explained(const json_t *job)
{
	static const struct show_column fields[] = {{"job", "job"},
						    {"name", "name"},
						    {"state", "state"},
						    {"because", "reason", SHOW_REASON},
						    {NULL}};
	static const struct show_column waits[] = {
		{"WAITS FOR", "job"}, {"NAME", "name"}, {"STATE", "state"}, {NULL}};
	int64_t ahead = json_get_int(job, "ahead", 0);

	show_fields(job, fields);
	if (ahead > 0)
		printf("%-11s %lld jobs start first\n", "ahead", (long long)ahead);
	if (json_array_size(json_object_get(job, "waits_for")) > 0) {
		putchar('\n');
		show_table(json_object_get(job, "waits_for"), waits, "");
	}
}

int cmd_explain(struct cli *c)
{
	OWN(json_decrefp) json_t *answer = NULL;
	const json_t *job;
	struct request_path p;
	char id[ID_LEN];
	struct err e;
	bool is_run;
	size_t i;
	int r = client_resolve(c, c->args[0], id, &is_run, &e);

	request_path(&p, "/v1/%s/%s/explain", is_run ? "runs" : "jobs", id);
	if (r >= 0)
		r = client_show(c, &p, &answer, &e);
	if (r <= 0)
		return r < 0 ? cli_fail(c, &e) : CLI_OK;
	if (!is_run) {
		show_explained(answer);
		return CLI_OK;
	}
	if (!json_array_size(json_object_get(answer, "items")))
		puts("All jobs of the run have ended.");
	json_array_foreach(json_object_get(answer, "items"), i, job) {
		if (i)
			putchar('\n');
		show_explained(job);
	}
	return CLI_OK;
}
