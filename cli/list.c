/* SPDX-License-Identifier: MIT */
/* Prints the lists of runs, jobs, endpoints, roles and training jobs. */
#include "cli/list.h"

#include "base/own.h"

#include <stdio.h>

int cli_list(struct cli *c, const struct request_path *p, const struct show_column *columns,
	     const char *nothing)
{
	OWN(json_decrefp) json_t *answer = NULL;
	struct err e;

	if (client_request(c, "GET", p, NULL, &answer, &e) < 0)
		return cli_fail(c, &e);
	if (c->json) {
		show_json(answer);
		return CLI_OK;
	}
	show_table(json_object_get(answer, "items"), columns, nothing);
	if (json_get_str(answer, "next_cursor", NULL))
		fputs("trainyard: the list has more entries; --limit shows more\n", stderr);
	return CLI_OK;
}
