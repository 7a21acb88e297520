/* SPDX-License-Identifier: MIT */
/*
 * restore: a database that was restored from a backup, and its confirmation.
 */
#include "base/own.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/show.h"

static void print_state(const json_t *answer)
{
	int unchecked = (int)json_get_int(answer, "unchecked", 0);

	if (!json_is_true(json_object_get(answer, "pending"))) {
		puts("No restored database waits for a confirmation.");
		return;
	}
	printf("The database was restored from %s; no job starts.\n",
	       json_get_str(answer, "from", "a backup that was copied into its place"));
	if (unchecked)
		printf("AWS was not yet asked about %d resource%s.\n", unchecked,
		       unchecked > 1 ? "s" : "");
	puts("Look at `trainyard queue`, cancel what has run already, then run `trainyard restore "
	     "confirm`.");
}

static int confirm(struct cli *c)
{
	OWN(json_decrefp) json_t *answer = NULL, *body = NULL;
	struct request_path p;
	struct err e;

	if (cli_get(c, "force"))
		body = json_pack("{sb}", "force", 1);
	request_path(&p, "/v1/restore/confirm");
	if (client_request(c, "POST", &p, body, &answer, &e) < 0)
		return cli_fail(c, &e);
	if (c->json)
		show_json(answer);
	else
		puts("Confirmed: jobs start.");
	return CLI_OK;
}

int cmd_restore(struct cli *c)
{
	OWN(json_decrefp) json_t *answer = NULL;
	struct request_path p;
	struct err e;
	int r;

	if (c->args_n && str_eq(c->args[0], "confirm"))
		return confirm(c);
	if (c->args_n || cli_get(c, "force")) {
		fprintf(stderr, "trainyard: use 'trainyard restore [confirm [--force]]'\n");
		return CLI_USAGE;
	}
	request_path(&p, "/v1/restore");
	r = client_show(c, &p, &answer, &e);
	if (r <= 0)
		return r < 0 ? cli_fail(c, &e) : CLI_OK;
	print_state(answer);
	return CLI_OK;
}
