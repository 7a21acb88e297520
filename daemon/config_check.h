/* SPDX-License-Identifier: MIT */
/* `trainyardd --check`: checks that the files and programs named by the configuration exist. main.c
 * calls this. Writes nothing, starts nothing. */
#pragma once

#include "config/config.h"

#include <stdio.h>

/* Print a line for each problem, "KEY: 'VALUE': what is wrong", and notes. Returns the number of
 * problems. Blocks on the disk. */
int config_check(const struct config *cfg, FILE *out);
