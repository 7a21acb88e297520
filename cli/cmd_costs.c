/* SPDX-License-Identifier: MIT */
/*
 * Money: paid to SageMaker, reserved, and left of the caps.
 */
#include "base/own.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/show.h"

/* Print "US dollars" of today and this month, with their caps, as rows of one table. */
static void print_sums(const json_t *answer)
{
	static const struct show_column columns[] = {
		{"US DOLLARS", "when"},
		{"RESERVED", "sums.reserved_usd"},
		{"SETTLED", "sums.settled_usd"},
		{"TOTAL", "sums.total_usd"},
		{"CAP", "cap"},
		{"LEFT", "sums.left_usd"},
		{NULL},
	};
	json_t *today = json_object_get(answer, "today"), *month = json_object_get(answer, "month");
	json_t *caps = json_object_get(answer, "caps");
	OWN(json_decrefp)
	json_t *rows = json_pack("[{s:s, s:O, s:O}, {s:s, s:O, s:O}]", "when",
				 json_get_str(today, "day", "today"), "sums", today, "cap",
				 json_object_get(caps, "day_usd"), "when",
				 json_get_str(month, "month", "month"), "sums", month, "cap",
				 json_object_get(caps, "month_usd"));

	show_table(rows, columns, "The daemon has no costs to show.");
	printf("\ncap of one job: %s; prices as of %s\n", json_get_str(caps, "job_usd", "-"),
	       json_get_str(answer, "prices_noted", "?"));
}

/* Print a table after an empty line. If the list is empty, prints nothing. */
static void print_part(const json_t *items, const struct show_column *columns)
{
	if (json_array_size(items) == 0)
		return;
	putchar('\n');
	show_table(items, columns, "");
}

static void print_costs(const json_t *answer)
{
#define MONEY_COLUMNS                                                                     \
	{"RESERVED", "reserved_usd"}, {"SETTLED", "settled_usd"}, {"TOTAL", "total_usd"}, \
	{                                                                                 \
		NULL                                                                      \
	}
	static const struct show_column days[] = {{"DAY", "day"}, MONEY_COLUMNS};
	static const struct show_column jobs[] = {
		{"JOB", "job"}, {"NAME", "name", SHOW_TEXT, 24}, {"STATE", "state"}, MONEY_COLUMNS};
	static const struct show_column endpoints[] = {
		{"ENDPOINT", "name", SHOW_TEXT, 24}, {"STATE", "state"}, MONEY_COLUMNS};
	static const struct show_column open[] = {{"NOT SETTLED", "name"},
						  {"RESOURCE", "resource"},
						  {"RESERVED", "reserved_usd"},
						  {"SINCE", "since", SHOW_TIME},
						  {NULL}};
#undef MONEY_COLUMNS

	print_sums(answer);
	print_part(json_object_get(answer, "days"), days);
	print_part(json_object_get(answer, "jobs"), jobs);
	print_part(json_object_get(answer, "endpoints"), endpoints);
	print_part(json_object_get(answer, "open"), open);
}

int cmd_costs(struct cli *c)
{
	OWN(json_decrefp) json_t *answer = NULL;
	struct request_path p;
	struct err e;
	int r;

	request_path(&p, "/v1/costs");
	request_path_param(&p, "from", cli_get(c, "from"));
	request_path_param(&p, "to", cli_get(c, "to"));
	r = client_show(c, &p, &answer, &e);
	if (r <= 0)
		return r < 0 ? cli_fail(c, &e) : CLI_OK;
	print_costs(answer);
	return CLI_OK;
}
