/* SPDX-License-Identifier: MIT */
/*
 * Disk usage by kind, run and job.
 */
#include "base/id.h"
#include "base/own.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/show.h"

#include <string.h>

static void print_kinds(const json_t *answer)
{
	static const struct show_column columns[] = {
		{"KIND", "kind"}, {"SIZE", "bytes", SHOW_BYTES}, {NULL}};
	OWN(json_decrefp) json_t *rows = json_array();
	const char *kind;
	json_t *bytes;

	json_object_foreach(json_object_get(answer, "kinds"), kind, bytes)
		if (json_integer_value(bytes))
			json_array_append_new(rows,
					      json_pack("{ss sO}", "kind", kind, "bytes", bytes));
	json_array_append_new(rows, json_pack("{ss sO}", "kind", "together", "bytes",
					      json_object_get(answer, "bytes")));
	show_table(rows, columns, "");
}

static void print_runs(const json_t *runs, bool jobs)
{
	struct show_column columns[] = {{"RUN", "run"},
					{"NAME", "name", SHOW_TEXT, 24},
					{"SIZE", "bytes", SHOW_BYTES},
					{"MODELS", "kinds.models", SHOW_BYTES},
					{"CHECKPOINTS", "kinds.checkpoints", SHOW_BYTES},
					{"LOGS", "kinds.logs", SHOW_BYTES},
					{"DATA", "kinds.data", SHOW_BYTES},
					{NULL}};
	const json_t *run;
	size_t i;

	if (!json_array_size(runs))
		return;
	putchar('\n');
	show_table(runs, columns, "");
	columns[0] = (struct show_column){"JOB", "job"};
	json_array_foreach(runs, i, run) {
		if (!jobs)
			return;
		putchar('\n');
		show_table(json_object_get(run, "jobs"), columns, "");
	}
}

static void print_strays(const json_t *strays)
{
	static const struct show_column columns[] = {
		{"WITHOUT A ROW", "execution"}, {"SIZE", "bytes", SHOW_BYTES}, {NULL}};

	if (!json_array_size(strays))
		return;
	putchar('\n');
	show_table(strays, columns, "");
}

int cmd_du(struct cli *c)
{
	OWN(json_decrefp) json_t *answer = NULL;
	OWN(buf_done) struct buf runs = BUF_INIT(4096);
	struct request_path p;
	struct err e = {0};
	int r = 0;

	for (int i = 0; r >= 0 && i < c->args_n; i++) {
		if (!id_valid('r', c->args[i]))
			r = err_set(&e, ERR_INVALID,
				    "'%s' is not the id of a run; 'trainyard runs' lists them",
				    c->args[i]);
		else
			buf_printf(&runs, "%s%s", i ? "," : "", c->args[i]);
	}
	request_path(&p, "/v1/disk-usage");
	request_path_param(&p, "run", c->args_n ? buf_str(&runs) : NULL);
	if (r >= 0)
		r = client_show(c, &p, &answer, &e);
	if (r <= 0)
		return r < 0 ? cli_fail(c, &e) : CLI_OK;
	print_kinds(answer);
	print_runs(json_object_get(answer, "runs"), c->args_n > 0);
	print_strays(json_object_get(answer, "without_row"));
	if (!json_get_bool(answer, "complete", true))
		fprintf(stderr,
			"trainyard: some files were not counted, because they take too long, lie "
			"too deep or cannot be read: the real sizes are larger\n");
	return CLI_OK;
}
