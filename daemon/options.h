/* SPDX-License-Identifier: MIT */
/* The command line of trainyardd. Every option is a key of the configuration, too, and wins over
 * it. */
#pragma once

#include "base/err.h"

#include "daemon/adopt/adopt.h"

#include <stdbool.h>

struct options {
	const char *config_file;			    /* NULL: none */
	const char *data_dir, *listen, *socket, *log_level; /* NULL: not given */
	bool check;	  /* say whether the configuration is right, end */
	bool help_config; /* print every key, end */
	bool adopts;	  /* --adopt */
	struct adopt_options adopt;
};

/* Prints help and version itself and then returns 1 (end with success); 0 to go on; -ERR_INVALID
 * with a sentence. */
int options_parse(int argc, char **argv, struct options *ret, struct err *reterr) MUSTCHECK;
