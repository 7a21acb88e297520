/* SPDX-License-Identifier: MIT */
/* The command line of trainyardd; main.c calls this. Every option is also a configuration key, and
 * overrides the key. */
#pragma once

#include "base/err.h"

#include "daemon/adopt/adopt.h"

#include <stdbool.h>

struct options {
	const char *config_file, *vendor_dir;		    /* NULL: none */
	const char *data_dir, *listen, *socket, *log_level; /* NULL: not given */
	bool check;	  /* True to check the configuration and exit */
	bool help_config; /* True to print all keys and exit */
	bool adopts;	  /* True for --adopt */
	struct adopt_options adopt;
	const char *restore; /* the backup; NULL: none */
	bool yes;	     /* True to ask nothing; adopt.yes is the same */
};

/* Parse the command line. Returns 0 to continue, or 1 after it has printed the help or the version
 * (exit with success). -ERR_INVALID with a message. */
int options_parse(int argc, char **argv, struct options *ret, struct err *reterr) MUSTCHECK;
