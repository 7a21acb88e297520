/* SPDX-License-Identifier: MIT */
/* A question to `trainyard-worker inspect` or `inspect-model` (worker/inspect.h,
 * worker/inspect_model.h), which reads what a user names with the engine's own code, in a process
 * of its own. */
#pragma once

#include "base/buf.h"
#include "base/json.h"
#include "daemon/settings.h"

/* The lines that it answers until `until_us` (clock_mono_us), or until it ends, into `answer`.
 * `question` gets the roots besides. Any thread; blocks. Negative: it could not be asked. */
int inspect_ask(const struct settings *set, const char *command, json_t *question, int64_t until_us,
		struct buf *answer, struct err *reterr) MUSTCHECK;
