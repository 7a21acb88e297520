/* SPDX-License-Identifier: MIT */
/*
 * Access to the parsed command line, and the message of a failed command.
 */
#include "cli/cli.h"

#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *cli_get_nth(const struct cli *c, const char *name, int nth)
{
	for (int i = 0; i < c->given_n; i++)
		if (str_eq(c->given[i].name, name) && nth-- == 0)
			return c->given[i].value;
	return NULL;
}

const char *cli_get(const struct cli *c, const char *name)
{
	for (int i = c->given_n; i-- > 0;)
		if (str_eq(c->given[i].name, name))
			return c->given[i].value;
	return NULL;
}

int cli_fail(const struct cli *c, const struct err *e)
{
	fprintf(stderr, "trainyard: %s\n", e->msg);
	if (e->code == ERR_UNAVAILABLE && strstr(e->msg, "nobody answers")) {
		fputs("Start the daemon with 'systemctl start trainyard' or run trainyardd. If it "
		      "listens elsewhere, give --url or set $TRAINYARD_URL.\n",
		      stderr);
		return CLI_UNREACHABLE;
	}
	return e->code == ETIMEDOUT || e->code == EIO ? CLI_UNREACHABLE : CLI_FAILED;
}
