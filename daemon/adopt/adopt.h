/* SPDX-License-Identifier: MIT */
/*
 * `trainyardd --adopt`: finds resources with Trainyard's tags in the AWS account, whether this
 * database knows them or not. After a loss of the database it adopts or deletes them. The program
 * serves no requests; the lock of the data directory excludes a running daemon. main.c calls this.
 */
#pragma once

#include "base/err.h"
#include "daemon/settings.h"

#include <stdbool.h>
#include <stddef.h>

#define ADOPT_REGIONS_MAX 16

enum adopt_mode {
	ADOPT_LIST,
	ADOPT_ADOPT,
	ADOPT_DELETE,
};

struct adopt_options {
	enum adopt_mode mode;
	const char *regions[ADOPT_REGIONS_MAX]; /* in addition to the configured one */
	size_t regions_n;
	/* only resources with this tag; "all": all installations; NULL: not given */
	const char *install;
	bool yes; /* True to skip the confirmation */
};

/* Parse "list", "adopt" or "delete". Returns 0 or -ERR_INVALID. */
int adopt_mode_parse(const char *s, enum adopt_mode *ret) MUSTCHECK;

/* Print a table, the actions, and one JSON object in the last line. With ADOPT_DELETE the call ends
 * after all resources are gone. -ERR_CANCELLED if it was stopped before; the next start of a daemon
 * here continues. Blocks. */
int adopt_run(const struct settings *set, const struct adopt_options *o,
	      struct err *reterr) MUSTCHECK;
