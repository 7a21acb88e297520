/* SPDX-License-Identifier: MIT */
/*
 * Registered models: those of the configuration, and those added while the daemon runs. If both
 * have a name, the configuration takes precedence.
 */
#pragma once

#include "daemon/core.h"

/* Run COMMAND_MODEL_ADD or COMMAND_MODEL_REMOVE, on the manager's thread, in its transaction. */
int model_command(struct manager *mgr, struct command *c, struct err *reterr) MUSTCHECK;
/* Log the added names that the configuration hides. Manager's thread. */
int models_log_hidden(struct manager *mgr, struct err *reterr) MUSTCHECK;
