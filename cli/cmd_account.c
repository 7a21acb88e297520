/* SPDX-License-Identifier: MIT */
/*
 * The AWS account: roles, and SageMaker's training jobs.
 */
#include "base/own.h"
#include "base/str.h"
#include "cli/list.h"

#include <string.h>

/* ---- roles ---- */

static void print_role(const json_t *role)
{
	static const struct show_column fields[] = {
		{"name", "name"},
		{"arn", "arn"},
		{"about", "description"},
		{"created", "created_at", SHOW_TIME},
		{"boundary", "permissions_boundary"},
		{NULL},
	};
	static const struct show_column policies[] = {{"POLICY", "name"}, {"ARN", "arn"}, {NULL}};
	static const struct show_column checks[] = {{"ALLOWED", "mark"}, {"", "words"}, {NULL}};
	const json_t *allowed, *problem;
	json_t *check;
	size_t i;

	show_fields(role, fields);
	putchar('\n');
	show_table(json_object_get(role, "attached_policies"), policies, "No policy is attached.");
	if (json_array_size(json_object_get(role, "inline_policies"))) {
		putchar('\n');
		show_table(json_object_get(role, "inline_policies"), policies, "");
	}
	json_array_foreach(json_object_get(role, "checks"), i, check) {
		allowed = json_object_get(check, "allowed");
		json_object_set_new(check, "mark",
				    json_string(json_is_string(allowed) ? "maybe"
						: json_is_true(allowed) ? "yes"
									: "no"));
	}
	putchar('\n');
	show_table(json_object_get(role, "checks"), checks, "");
	json_array_foreach(json_object_get(role, "problems"), i, problem)
		fprintf(stderr, "trainyard: %s\n", json_string_value(problem));
}

static int one_role(struct cli *c)
{
	OWN(json_decrefp) json_t *answer = NULL;
	struct request_path p;
	struct err e;
	int r;

	request_path(&p, "/v1/roles");
	request_path_segment(&p, c->args[0]);
	request_path_param(&p, "bucket", cli_get(c, "bucket"));
	r = client_show(c, &p, &answer, &e);
	if (r <= 0)
		return r < 0 ? cli_fail(c, &e) : CLI_OK;
	print_role(answer);
	return CLI_OK;
}

int cmd_roles(struct cli *c)
{
	static const struct show_column columns[] = {
		{"NAME", "name"},
		{"PATH", "path"},
		{"CREATED", "created_at", SHOW_TIME},
		{"ABOUT", "description", SHOW_TEXT, 60},
		{NULL},
	};
	struct request_path p;

	if (c->args_n)
		return one_role(c);
	request_path(&p, "/v1/roles");
	request_path_param(&p, "name_contains", cli_get(c, "contains"));
	request_path_param(&p, "path_prefix", cli_get(c, "path-prefix"));
	request_path_param(&p, "limit", cli_get(c, "limit"));
	return cli_list(c, &p, columns, "The account has no role that SageMaker may assume.");
}

/* ---- training jobs ---- */

/* Print a line of the container's log, without characters that move the cursor. */
static void print_line(const json_t *line)
{
	static const struct show_column at = {"", "at", SHOW_TIME};
	char cell[SHOW_CELL_MAX];

	show_cell(cell, line, &at);
	printf("%s %s  ", cell, json_get_str(line, "stream", ""));
	for (const char *s = json_get_str(line, "message", ""); *s; s++)
		putchar((unsigned char)*s < ' ' && *s != '\t' ? '?' : *s);
	putchar('\n');
}

/* Print all pages, or the tail. */
static int print_logs(struct cli *c)
{
	OWN(freep) char *cursor = NULL;
	struct err e;

	do {
		OWN(json_decrefp) json_t *answer = NULL;
		const json_t *line;
		struct request_path p;
		size_t i;

		request_path(&p, "/v1/sagemaker/training-jobs");
		request_path_segment(&p, c->args[0]);
		request_path_segment(&p, "logs");
		request_path_param(&p, "region", cli_get(c, "region"));
		request_path_param(&p, "tail", cli_get(c, "tail"));
		request_path_param(&p, "limit", cli_get(c, "limit"));
		request_path_param(&p, "cursor", cursor);
		if (client_request(c, "GET", &p, NULL, &answer, &e) < 0)
			return cli_fail(c, &e);
		free(TAKE(cursor));
		if (c->json) {
			show_json(answer);
			return CLI_OK;
		}
		json_array_foreach(json_object_get(answer, "items"), i, line)
			print_line(line);
		if (json_get_str(answer, "next_cursor", NULL) && !cli_get(c, "limit"))
			cursor = strdup(json_get_str(answer, "next_cursor", ""));
	} while (cursor);
	return CLI_OK;
}

static int one_job(struct cli *c)
{
	static const struct show_column fields[] = {
		{"name", "name"},
		{"status", "status"},
		{"secondary", "secondary_status"},
		{"failure", "failure_reason"},
		{"created", "created_at", SHOW_TIME},
		{"started", "started_at", SHOW_TIME},
		{"finished", "finished_at", SHOW_TIME},
		{"billable s", "billable_seconds"},
		{"instances", "instance_count"},
		{"instance", "instance_type"},
		{"role", "role"},
		{"image", "image"},
		{"model", "model_uri"},
		{"arn", "arn"},
		{NULL},
	};
	OWN(json_decrefp) json_t *answer = NULL;
	struct request_path p;
	struct err e;
	int r;

	request_path(&p, "/v1/sagemaker/training-jobs");
	request_path_segment(&p, c->args[0]);
	request_path_param(&p, "region", cli_get(c, "region"));
	r = client_show(c, &p, &answer, &e);
	if (r <= 0)
		return r < 0 ? cli_fail(c, &e) : CLI_OK;
	show_fields(answer, fields);
	return CLI_OK;
}

int cmd_training_jobs(struct cli *c)
{
	static const struct show_column columns[] = {
		{"NAME", "name"},
		{"STATUS", "status"},
		{"SECONDARY", "secondary_status"},
		{"CREATED", "created_at", SHOW_TIME},
		{"FINISHED", "finished_at", SHOW_TIME},
		{NULL},
	};
	struct request_path p;

	if (c->args_n)
		return cli_get(c, "logs") || cli_get(c, "tail") ? print_logs(c) : one_job(c);
	request_path(&p, "/v1/sagemaker/training-jobs");
	request_path_param(&p, "created_after", cli_get(c, "created-after"));
	request_path_param(&p, "created_before", cli_get(c, "created-before"));
	request_path_param(&p, "status", cli_get(c, "status"));
	request_path_param(&p, "name_contains", cli_get(c, "contains"));
	request_path_param(&p, "region", cli_get(c, "region"));
	request_path_param(&p, "limit", cli_get(c, "limit"));
	return cli_list(c, &p, columns, "There are no training jobs that match.");
}
