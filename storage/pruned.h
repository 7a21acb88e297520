/* SPDX-License-Identifier: MIT */
/* Reports runs whose files Trainyard has removed. Readers and the writer call this. */
#pragma once

#include "base/err.h"
#include "storage/db.h"

/* -ERR_PRUNED if the run's files were removed: the message says when, and what to do. 0 if the
 * files exist, or if there is no such run. */
int pruned_check(struct db *db, const char *run, struct err *reterr) MUSTCHECK;
