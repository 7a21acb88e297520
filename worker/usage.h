/* SPDX-License-Identifier: MIT */
/*
 * trainyard-worker usage: what the data directory takes of the disk. No execution: standard input
 * is
 * {"data_dir", "budget_ms", "all", "executions": {ID: {"job", "name", "run", "run_name"}}},
 * standard output the answer of GET /v1/disk-usage. `all`: the whole directory, else only those
 * executions. Blocks are counted as du(1) does: allocated ones, directories too, a file with
 * several names once, no link followed and no mount crossed. Nothing is written.
 */
#pragma once

#define USAGE_COMMAND	"usage"
#define USAGE_INPUT_MAX (64 << 20)
#define USAGE_DEPTH_MAX                                                          \
	500 /* directories below the data directory; deeper ones are not counted \
	     */

/* The exit status. */
int usage_main(void);
