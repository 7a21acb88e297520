/* SPDX-License-Identifier: MIT */
/* Asks on the terminal. */
#include "daemon/agree.h"

#include <stdio.h>
#include <unistd.h>

bool agree(bool yes)
{
	char line[16] = "";

	if (yes || !isatty(STDIN_FILENO))
		return true;
	printf("Go on? [y/N] ");
	fflush(stdout);
	return fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y');
}
