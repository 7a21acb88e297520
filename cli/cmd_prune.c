/* SPDX-License-Identifier: MIT */
/* Removing the files of runs: `prune` by age and number, `delete` for one run. */
#include "base/own.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/show.h"

static const struct show_column removed_columns[] = {
	{"RUN", "run"},
	{"NAME", "name", SHOW_TEXT, 24},
	{"ENDED", "finished_at", SHOW_TIME},
	{"SIZE", "bytes", SHOW_BYTES},
	{"FILES", "files"},
	{NULL},
};
static const struct show_column kept_columns[] = {
	{"KEPT", "run"},
	{"NAME", "name", SHOW_TEXT, 24},
	{"ENDED", "finished_at", SHOW_TIME},
	{"BECAUSE", "reason", SHOW_REASON},
	{NULL},
};

static void show_total(const json_t *answer, bool dry)
{
	static const struct show_column total[] = {{"", "bytes", SHOW_BYTES}};
	size_t runs = json_array_size(json_object_get(answer, "removed"));
	size_t sources = json_array_size(json_object_get(answer, "sources"));
	char size[SHOW_CELL_MAX];

	if (!runs && !sources)
		return;
	show_cell(size, answer, total);
	printf("\n%s %s of %zu runs", dry ? "This would remove" : "Removed", size, runs);
	if (sources)
		printf(" and %zu unused %s of source directories", sources,
		       sources == 1 ? "copy" : "copies");
	puts(".");
}

static void show_pruned(const struct cli *c, const json_t *answer)
{
	const json_t *removed = json_object_get(answer, "removed"), *run;
	const json_t *kept = json_object_get(answer, "kept");
	bool dry = json_is_true(json_object_get(answer, "dry_run"));
	bool none = !json_array_size(json_object_get(answer, "sources"));
	size_t i;

	show_table(removed, removed_columns,
		   none ? "There is nothing to remove." : "There is no run to remove.");
	if (json_array_size(kept)) {
		putchar('\n');
		show_table(kept, kept_columns, "");
	}
	show_total(answer, dry);
	json_array_foreach(removed, i, run)
		if (cli_get(c, "rows") && json_is_false(json_object_get(run, "rows")))
			printf("The rows of %s stay, because the ledger of SageMaker costs refers "
			       "to them.\n",
			       json_get_str(run, "run", ""));
	if (json_is_true(json_object_get(answer, "truncated")))
		puts("(there are more runs: give the command again)");
}

/* Add an answer to the sum of the answers before it. Takes over `answer`. */
static void add_answer(json_t **sum, json_t *answer)
{
	static const char *const lists[] = {"removed", "kept", "sources"};

	if (!*sum) {
		*sum = answer;
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		json_array_extend(json_object_get(*sum, lists[i]),
				  json_object_get(answer, lists[i]));
	json_object_set_new(
		*sum, "bytes",
		json_integer(json_get_int(*sum, "bytes", 0) + json_get_int(answer, "bytes", 0)));
	json_object_set(*sum, "truncated", json_object_get(answer, "truncated"));
	json_object_del(*sum, "next_cursor");
	json_decref(answer);
}

/* Requests until all runs were examined. A dry run ends at the first answer: only a removal shows
 * what the next request finds. */
static int prune_all(struct cli *c, json_t *body, json_t **sum, struct err *e)
{
	bool more;

	do {
		json_t *answer = NULL, *next;
		struct request_path p;
		int r;

		request_path(&p, "/v1/prune");
		r = client_request(c, "POST", &p, body, &answer, e);
		if (r < 0)
			return r;
		next = json_object_get(answer, "next_cursor");
		more = next && json_object_set(body, "cursor", next) == 0;
		add_answer(sum, answer);
	} while (more && !cli_get(c, "dry-run"));
	return 0;
}

static int reply(struct cli *c, int r, const json_t *answer, const struct err *e)
{
	if (r < 0)
		return cli_fail(c, e);
	if (c->json)
		show_json(answer);
	else
		show_pruned(c, answer);
	return CLI_OK;
}

int cmd_prune(struct cli *c)
{
	const char *older = cli_get(c, "older"), *keep = cli_get(c, "keep");
	OWN(json_decrefp)
	json_t *body = json_pack("{s:b, s:b}", "dry_run", cli_get(c, "dry-run") != NULL, "rows",
				 cli_get(c, "rows") != NULL);
	OWN(json_decrefp) json_t *answer = NULL;
	int64_t kept = 0;
	struct err e;
	int r;

	if (keep && str_to_i64(keep, &kept) < 0) {
		err_set(&e, ERR_INVALID, "--keep needs a whole number, not '%s'", keep);
		return cli_fail(c, &e);
	}
	if (keep)
		json_object_set_new(body, "keep", json_integer(kept));
	if (older)
		json_object_set_new(body, "older", json_string(older));
	r = prune_all(c, body, &answer, &e);
	return reply(c, r, answer, &e);
}

int cmd_delete(struct cli *c)
{
	OWN(json_decrefp) json_t *answer = NULL;
	struct request_path p;
	char id[ID_LEN];
	struct err e;
	bool is_run;
	int r = client_resolve(c, c->args[0], id, &is_run, &e);

	if (r >= 0 && !is_run)
		r = err_set(&e, ERR_INVALID, "%s is a job; only a whole run can be deleted", id);
	request_path(&p, "/v1/runs/%s", id);
	request_path_param(&p, "dry_run", cli_get(c, "dry-run") ? "true" : NULL);
	request_path_param(&p, "rows", cli_get(c, "rows") ? "true" : NULL);
	if (r >= 0)
		r = client_request(c, "DELETE", &p, NULL, &answer, &e);
	return reply(c, r, answer, &e);
}
