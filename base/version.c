/* SPDX-License-Identifier: MIT */
/* The one file that is compiled with the version. */
#include "base/version.h"

#include <stdio.h>
#include <stdlib.h>

const char *version_text(void)
{
	return TRAINYARD_VERSION;
}

int version_print(const char *program)
{
	return printf("%s " TRAINYARD_VERSION "\n", program) > 0 && fflush(stdout) == 0
		       ? EXIT_SUCCESS
		       : EXIT_FAILURE;
}
