/* SPDX-License-Identifier: MIT */
/*
 * The daemon and its machine: status, devices, versions.
 */
#include "base/own.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/show.h"

/* "3 running, 12 queued" of {"running": 3, "queued": 12}; zeros are left out. */
static void print_counts(const char *title, const json_t *counts)
{
	const char *state, *comma = "";
	json_t *n;

	printf("%-11s ", title);
	json_object_foreach ((json_t *)counts, state, n) {
		if (json_integer_value(n) == 0)
			continue;
		printf("%s%lld %s", comma, (long long)json_integer_value(n), state);
		comma = ", ";
	}
	puts(comma[0] ? "" : "none");
}

int cmd_status(struct cli *c)
{
	static const struct show_column running[] = {
		{"JOB", "id"},
		{"NAME", "name", SHOW_TEXT, 24},
		{"KIND", "kind"},
		{"STATE", "state"},
		{"PROGRESS", "progress", SHOW_PROGRESS},
		{"TOOK", "started_at", SHOW_TOOK},
		{NULL},
	};
	static const struct show_column endpoints[] = {{"ENDPOINT", "name"},
						       {"STATE", "state"},
						       {"LEASE ENDS", "lease.expires_at", SHOW_AGE},
						       {NULL}};
	OWN(json_decrefp) json_t *answer = NULL;
	const json_t *jobs, *live;
	struct ask_path p;
	struct err e;

	ask_path(&p, "/v1/overview");
	if (ask(c, "GET", &p, NULL, &answer, &e) < 0)
		return cli_fail(c, &e);
	if (c->json) {
		show_json(answer);
		return CLI_OK;
	}
	printf("%-11s %s, version %s\n", "daemon", c->url,
	       json_get_str(json_object_get(answer, "daemon"), "version",
			    json_get_str(answer, "version", "?")));
	print_counts("runs", show_find(answer, "counts.runs"));
	print_counts("jobs", show_find(answer, "counts.jobs"));
	print_counts("endpoints", show_find(answer, "counts.endpoints"));
	jobs = json_object_get(answer, "running");
	live = json_object_get(answer, "endpoints");
	if (json_array_size(jobs) > 0) {
		putchar('\n');
		show_table(jobs, running, "");
	}
	if (json_array_size(live) > 0) {
		putchar('\n');
		show_table(live, endpoints, "");
	}
	return CLI_OK;
}

int cmd_devices(struct cli *c)
{
	static const struct show_column gpus[] = {
		{"GPU", "index"},
		{"NAME", "name"},
		{"MEMORY", "memory_bytes", SHOW_BYTES},
		{"USED", "memory_used_bytes", SHOW_BYTES},
		{"JOB", "job"},
		{NULL},
	};
	OWN(json_decrefp) json_t *answer = NULL;
	struct ask_path p;
	struct err e;

	ask_path(&p, "/v1/devices");
	if (ask(c, "GET", &p, NULL, &answer, &e) < 0)
		return cli_fail(c, &e);
	if (c->json || !json_is_array(json_object_get(answer, "gpus"))) {
		show_json(answer);
		return CLI_OK;
	}
	show_table(json_object_get(answer, "gpus"), gpus, "There is no GPU: jobs run on the CPU.");
	return CLI_OK;
}

int cmd_version(struct cli *c)
{
	OWN(json_decrefp) json_t *answer = NULL;
	struct ask_path p;
	struct err e;
	int r;

	ask_path(&p, "/v1/version");
	r = ask(c, "GET", &p, NULL, &answer, &e);
	if (c->json && r >= 0) {
		show_json(answer);
		return CLI_OK;
	}
	puts("trainyard  " TRAINYARD_VERSION);
	if (r < 0)
		return cli_fail(c, &e);
	printf("trainyardd %s\n", json_get_str(answer, "version", "?"));
	return CLI_OK;
}
