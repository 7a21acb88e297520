/* SPDX-License-Identifier: MIT */
/* trainyardd --check: what the configuration names must be there. Writes nothing, starts nothing.
 */
#pragma once

#include "config/config.h"

#include <stdio.h>

/* Print a line for each problem, "KEY: 'VALUE': what is wrong", and notes; returns the number of
 * problems. Blocking: looks at the disk. */
int config_check(const struct config *cfg, FILE *out);
