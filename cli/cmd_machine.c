/* SPDX-License-Identifier: MIT */
/*
 * The daemon and its machine: status, devices, versions.
 */
#include "base/own.h"
#include "base/str.h"
#include "base/version.h"
#include "cli/client.h"
#include "cli/show.h"

/* Print "3 running, 12 queued" for {"running": 3, "queued": 12}, without zeros. */
static void print_counts(const char *title, const json_t *counts)
{
	const char *state, *comma = "";
	json_t *n;

	printf("%-11s ", title);
	json_object_foreach((json_t *)counts, state, n) {
		if (json_integer_value(n) == 0)
			continue;
		printf("%s%lld %s", comma, (long long)json_integer_value(n), state);
		comma = ", ";
	}
	puts(comma[0] ? "" : "none");
}

static int version_of_daemon(struct cli *c, char *buf, size_t size, struct err *reterr)
{
	OWN(json_decrefp) json_t *answer = NULL;
	struct request_path p;
	int r;

	request_path(&p, "/v1/version");
	r = client_request(c, "GET", &p, NULL, &answer, reterr);
	str_excerpt(buf, size, json_get_str(answer, "version", "?"));
	return r;
}

/* Print "cpu slots   1 of 2 in use". */
static void print_slots(const json_t *slots)
{
	if (json_is_object(slots))
		printf("%-11s %d of %d in use, %d CPUs each\n", "cpu slots",
		       (int)json_get_int(slots, "used", 0), (int)json_get_int(slots, "total", 0),
		       (int)json_get_int(slots, "cpus_each", 0));
}

/* Print a table after an empty line. If the list is empty, prints nothing. */
static void print_part(const json_t *items, const struct show_column *columns)
{
	if (json_array_size(items) == 0)
		return;
	putchar('\n');
	show_table(items, columns, "");
}

/* Print "money       1.76 $ today, 98.24 left; 13.51 $ this month" if any was spent. */
static void print_money(const json_t *money)
{
	const json_t *today = json_object_get(money, "today"),
		     *month = json_object_get(money, "month");
	const char *spent = json_get_str(month, "total_usd", "0.00");
	const char *left = json_get_str(today, "left_usd", NULL);

	if (!str_eq(spent, "0.00"))
		printf("%-11s %s $ today%s%s%s; %s $ this month\n", "money",
		       json_get_str(today, "total_usd", "?"), left ? ", " : "", left ? left : "",
		       left ? " left" : "", spent);
}

int cmd_status(struct cli *c)
{
	static const struct show_column active[] = {
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
	struct request_path p;
	char version[64];
	struct err e;

	request_path(&p, "/v1/overview");
	if (client_request(c, "GET", &p, NULL, &answer, &e) < 0 ||
	    (!c->json && version_of_daemon(c, version, sizeof(version), &e) < 0))
		return cli_fail(c, &e);
	if (c->json) {
		show_json(answer);
		return CLI_OK;
	}
	printf("%-11s %s, version %s\n", "daemon", c->url, version);
	print_counts("runs", show_find(answer, "counts.runs"));
	print_counts("jobs", show_find(answer, "counts.jobs"));
	print_counts("endpoints", show_find(answer, "counts.endpoints"));
	print_slots(show_find(answer, "daemon.cpu_slots"));
	print_money(json_object_get(answer, "money"));
	print_part(json_object_get(answer, "active"), active);
	print_part(json_object_get(answer, "endpoints"), endpoints);
	return CLI_OK;
}

int cmd_devices(struct cli *c)
{
	static const struct show_column gpus[] = {
		{"GPU", "index"},
		{"NAME", "name"},
		{"MEMORY", "memory_total_bytes", SHOW_BYTES},
		{"USED", "memory_used_bytes", SHOW_BYTES},
		{"BUSY %", "utilization_percent"},
		{"UUID", "uuid"},
		{NULL},
	};
	OWN(json_decrefp) json_t *answer = NULL;
	struct request_path p;
	struct err e;
	int r;

	request_path(&p, "/v1/devices");
	r = client_show(c, &p, &answer, &e);
	if (r <= 0)
		return r < 0 ? cli_fail(c, &e) : CLI_OK;
	print_slots(json_object_get(answer, "cpu_slots"));
	show_table(json_object_get(answer, "items"), gpus, "There is no GPU: jobs run on the CPU.");
	return CLI_OK;
}

int cmd_version(struct cli *c)
{
	OWN(json_decrefp) json_t *both = NULL;
	char version[64];
	struct err e;

	if (!c->json)
		printf("trainyard  %s\n", version_text());
	fflush(stdout);
	if (version_of_daemon(c, version, sizeof(version), &e) < 0)
		return cli_fail(c, &e);
	both = json_pack("{ss ss}", "client", version_text(), "daemon", version);
	if (c->json)
		show_json(both);
	else
		printf("trainyardd %s\n", version);
	return CLI_OK;
}
