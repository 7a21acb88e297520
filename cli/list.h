/* SPDX-License-Identifier: MIT */
/* The commands that print a list of the daemon as a table. */
#pragma once

#include "cli/client.h"
#include "cli/show.h"

/* Print the items of GET p as a table, or `nothing` if there are none; with --json print the answer
 * itself. A list that continues is said on stderr, so that nobody takes the table for the whole.
 * Returns an exit status. */
int cli_list(struct cli *c, const struct request_path *p, const struct show_column *columns,
	     const char *nothing);
