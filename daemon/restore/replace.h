/* SPDX-License-Identifier: MIT */
/* `trainyardd --restore FILE`. main.c calls this; no daemon runs on the data directory. */
#pragma once

#include "base/err.h"

#include <stdbool.h>

/* Check the backup, print what it has and what it replaces, ask on a terminal unless `yes`, and put
 * it in place. Blocks on the disk and on the user. -ERR_CANCELLED: the user did not agree. */
int restore_run(const char *data_dir, const char *backup, bool yes, struct err *reterr) MUSTCHECK;
