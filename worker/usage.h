/* SPDX-License-Identifier: MIT */
/*
 * trainyard-worker usage: measures the disk usage of the data directory. It has no execution.
 * Standard input is
 * {"data_dir", "budget_ms", "all", "executions": {ID: {"job", "name", "run", "run_name"}}},
 * standard output the answer of GET /v1/disk-usage. `all`: measure the whole directory, else only
 * those executions.
 * Blocks are counted like du(1): allocated blocks, directories included, a file with several names
 * once, no link followed, no mount crossed. The command writes no file.
 */
#pragma once

#define USAGE_COMMAND	 "usage"
#define USAGE_INPUT_MAX	 (64 << 20)
#define USAGE_DEPTH_MAX	 500  /* directories below the data directory; deeper ones do not count */
#define USAGE_STRAYS_MAX 1000 /* folders without a row in one answer */

/* Run the command. Returns the exit status. */
int usage_main(void);
