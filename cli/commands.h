/* SPDX-License-Identifier: MIT */
/* The table of commands: look-up and help. */
#pragma once

#include "cli/cli.h"

#define DEFAULT_URL "http://127.0.0.1:8470" /* of the daemon */

/* Options of every command; the last one has no name. */
extern const struct cli_option command_global_options[];
/* Find a command. NULL: no such command; stderr then has a message with the nearest name. */
const struct cli_command *command_find(const char *name);
void command_help_all(void);
void command_help(const struct cli_command *cmd);
