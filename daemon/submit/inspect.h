/* SPDX-License-Identifier: MIT */
/* Sends a question to `trainyard-worker inspect` or `inspect-model` (worker/inspect.h,
 * worker/inspect_model.h). The worker reads a user's files with the native engine's own code, in a
 * separate process. The checks of a submit call this. */
#pragma once

#include "base/buf.h"
#include "base/json.h"
#include "daemon/settings.h"

/* Collect the worker's lines in `answer` until it ends or until `until_us` (clock_mono_us). The
 * roots are added to `question`. Any thread; blocks. Negative if the worker could not be
 * started. */
int inspect_ask(const struct settings *set, const char *command, json_t *question, int64_t until_us,
		struct buf *answer, struct err *reterr) MUSTCHECK;
