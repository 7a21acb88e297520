/* SPDX-License-Identifier: MIT */
/*
 * backup: copies of the database.
 */
#include "base/own.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/show.h"

static int list(struct cli *c)
{
	static const struct show_column columns[] = {{"NAME", "name"},
						     {"MADE", "made_at", SHOW_AGE},
						     {"SIZE", "bytes", SHOW_BYTES},
						     {NULL}};
	OWN(json_decrefp) json_t *answer = NULL;
	const char *failure, *every;
	struct request_path p;
	struct err e;
	int r;

	request_path(&p, "/v1/backups");
	r = client_show(c, &p, &answer, &e);
	if (r <= 0)
		return r < 0 ? cli_fail(c, &e) : CLI_OK;
	show_table(json_object_get(answer, "items"), columns, "There is no backup.");
	every = json_get_str(answer, "every", NULL);
	printf("\nin %s; made %s%s; the newest %d stay\n", json_get_str(answer, "folder", "?"),
	       every ? "every " : "on request only", every ? every : "",
	       (int)json_get_int(answer, "keep", 0));
	failure = json_get_str(answer, "failure", NULL);
	if (failure)
		fprintf(stderr, "trainyard: the last backup failed: %s\n", failure);
	return failure ? CLI_FAILED : CLI_OK;
}

int cmd_backup(struct cli *c)
{
	OWN(json_decrefp) json_t *answer = NULL;
	struct request_path p;
	char size[24];
	struct err e;

	if (c->args_n && str_eq(c->args[0], "list"))
		return list(c);
	if (c->args_n) {
		fprintf(stderr, "trainyard: '%s' is unknown; use 'trainyard backup [list]'\n",
			c->args[0]);
		return CLI_USAGE;
	}
	request_path(&p, "/v1/backups");
	if (client_request(c, "POST", &p, NULL, &answer, &e) < 0)
		return cli_fail(c, &e);
	if (c->json) {
		show_json(answer);
		return CLI_OK;
	}
	str_bytes(size, sizeof(size), json_get_int(answer, "bytes", 0));
	printf("%s (%s, checked)\n", json_get_str(answer, "path", "?"), size);
	fprintf(stderr, "It has the database: runs, jobs, metrics, events, money. It does not have "
			"models, logs and other files of jobs, the configuration, or keys.\n");
	return CLI_OK;
}
