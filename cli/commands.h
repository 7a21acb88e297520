/* SPDX-License-Identifier: MIT */
/* The table of commands: looked up, and explained to the user. */
#pragma once

#include "cli/cli.h"

#define DEFAULT_URL "http://127.0.0.1:8470" /* of the daemon */

/* Options that every command takes; the last one has no name. */
extern const struct cli_option command_global_options[];
/* NULL: there is none of that name, and stderr says so, with the nearest one. */
const struct cli_command *command_find(const char *name);
void command_help_all(void);
void command_help(const struct cli_command *cmd);
