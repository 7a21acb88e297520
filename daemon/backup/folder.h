/* SPDX-License-Identifier: MIT */
/* The folder of backups: trainyard-20261130T213002.123Z.db, by UTC time. Other files are left
 * alone. All calls block on the disk. */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "daemon/settings.h"

#define BACKUP_NAME_MAX 64

/* Write the folder's path. The default folder is made if it is missing. -ERR_CONFLICT: the
 * configured folder does not exist. */
int backup_folder(const struct settings *set, char *buf, size_t size, struct err *reterr) MUSTCHECK;
void backup_name(int64_t at_us, char name[BACKUP_NAME_MAX]);
/* [{"name", "made_at", "bytes"}], newest first. New reference. */
int backup_list(const char *folder, json_t **ret, struct err *reterr) MUSTCHECK;
/* Remove all but `keep` backups, and copies that were never finished. The backup `made` stays, also
 * if the clock was set back and others have later names, and then the newest. *ret_removed is a
 * list of the backups' names; new reference. */
int backup_remove_old(const char *folder, const char *made, int keep, json_t **ret_removed,
		      struct err *reterr) MUSTCHECK;
