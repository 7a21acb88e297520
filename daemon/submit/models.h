/* SPDX-License-Identifier: MIT */
/*
 * Names of models: those of the configuration, and those that were added while the daemon runs. A
 * name of the configuration wins over an added one.
 */
#pragma once

#include "daemon/core.h"

/* COMMAND_MODEL_ADD and COMMAND_MODEL_REMOVE, on the manager thread, in its transaction. */
int model_command(struct manager *mgr, struct command *c, struct err *reterr) MUSTCHECK;
/* Log which added names the configuration's hide; on the manager thread. */
int models_log_hidden(struct manager *mgr, struct err *reterr) MUSTCHECK;
