/* SPDX-License-Identifier: MIT */
/* Runs whose files Trainyard has removed: what is said to who asks for one of them. */
#pragma once

#include "base/err.h"
#include "storage/db.h"

/* -ERR_PRUNED if the files of the run were removed: the sentence says when, and what to do. 0: they
 * were not, or there is no such run. */
int pruned_check(struct db *db, const char *run, struct err *reterr) MUSTCHECK;
