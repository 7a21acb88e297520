/* SPDX-License-Identifier: MIT */
/* Following what happens: to the end of a run or job, with progress on stderr; or event by event.
 */
#pragma once

#include "base/id.h"
#include "cli/cli.h"

#include <stdint.h>

/* Until the run or job `id` has ended. A daemon that cannot be reached is waited for. *ret_state is
 * its last state. timeout_us 0: no limit, else -ETIMEDOUT. */
int follow_to_end(struct cli *c, const char *id, bool is_run, int64_t timeout_us,
		  char ret_state[24], struct err *reterr) MUSTCHECK;
/* CLI_OK or CLI_NOT_SUCCEEDED, after a line that says what became of `id`. */
int follow_verdict(struct cli *c, const char *id, const char *state);
