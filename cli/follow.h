/* SPDX-License-Identifier: MIT */
/* Follow a run or job to its end, with progress on stderr. */
#pragma once

#include "base/id.h"
#include "cli/cli.h"

#include <stdint.h>

/* Wait until the run or job `id` has ended; *ret_state is its last state. If the daemon cannot be
 * reached, waits for it. timeout_us 0: no limit; else -ETIMEDOUT. */
int follow_to_end(struct cli *c, const char *id, bool is_run, int64_t timeout_us,
		  char ret_state[24], struct err *reterr) MUSTCHECK;
/* Print a line with the result of `id`. Returns CLI_OK or CLI_NOT_SUCCEEDED. */
int follow_verdict(struct cli *c, const char *id, const char *state);
