/* SPDX-License-Identifier: MIT */
/*
 * Folders that Trainyard has made and that somebody removed by hand: executions/ID, its `work` or
 * its `log`, and sources/HASH. Their rows are still there, so that who asks for what lay in them is
 * told so, by one code and one sentence, wherever he asks.
 */
#pragma once

#include "base/err.h"
#include "storage/db.h"

/* Any absolute path. 0: it is there, or none of these is the reason why it is not. -ERR_REMOVED:
 * the sentence says what was removed, whose it was and what is kept. -ERR_PRUNED: Trainyard has
 * removed it. -ERR_UNAVAILABLE: the whole data directory is not where it was. Looks at the disk;
 * reads the database only if the path is missing. */
int folder_check(struct db *db, const char *path, struct err *reterr) MUSTCHECK;
