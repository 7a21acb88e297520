/* SPDX-License-Identifier: MIT */
/*
 * `trainyardd --adopt`: what in the AWS account carries our tags, whatever this database knows of
 * it; and, when the database is lost, takes it in again or deletes it. Serves nothing. The lock of
 * the data directory keeps it and a daemon apart.
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
	const char *regions[ADOPT_REGIONS_MAX]; /* beside the configured one */
	size_t regions_n;
	const char *install; /* only what carries this tag; "all": never mind; NULL: not given */
	bool yes;	     /* do not ask */
};

/* "list", "adopt", "delete"; 0 or -ERR_INVALID. */
int adopt_mode_parse(const char *s, enum adopt_mode *ret) MUSTCHECK;

/* Prints a table, what it does, and one JSON object in the last line. With ADOPT_DELETE it ends
 * when everything is gone; -ERR_CANCELLED: it was stopped before (what is noted goes on at the
 * next start of a daemon here). */
int adopt_run(const struct settings *set, const struct adopt_options *o,
	      struct err *reterr) MUSTCHECK;
