/* SPDX-License-Identifier: MIT */
/*
 * Folders that Trainyard made and that somebody removed by hand: executions/ID, its `work` or its
 * `log`, and sources/HASH. The rows of such a folder still exist, so every caller reports the loss
 * with the same code and the same sentence. Any thread with a connection calls this.
 */
#pragma once

#include "base/err.h"
#include "storage/db.h"

/* Check if `path` (absolute) is missing because one of these folders was removed. Returns 0 if the
 * path exists, or if another reason explains its absence. -ERR_REMOVED: the message names the
 * removed folder, its owner and what is kept. -ERR_PRUNED: Trainyard removed the folder.
 * -ERR_UNAVAILABLE: the whole data directory has moved. Blocks on the disk; reads the database only
 * if the path is missing. */
int folder_check(struct db *db, const char *path, struct err *reterr) MUSTCHECK;
