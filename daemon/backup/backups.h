/* SPDX-License-Identifier: MIT */
/*
 * Backups of the database, on request and by the schedule backup.every. One at a time. The
 * manager's thread opens, ticks and closes; any thread may ask for one through manager.h.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

struct backups;
struct manager;

#define BACKUP_RETRY_US (INT64_C(600) * 1000000) /* after a scheduled backup that failed */

int backups_open(struct manager *mgr, struct err *reterr) MUSTCHECK;
/* Start a backup on a thread of its own if one is due. */
void backups_tick(struct manager *mgr);
/* Interrupt a running backup and refuse further ones. Blocks until it has ended. */
void backups_stop(struct manager *mgr);
void backups_free(struct backups *b); /* NULL is allowed */

/* Any thread but the manager's; blocks while the database is copied. Make a backup and remove the
 * oldest: {"name", "path", "made_at", "bytes", "removed": [names]}. The caller owns *ret.
 * -ERR_LIMIT: another one is running; -ERR_UNAVAILABLE: the daemon stops; -ERR_CONFLICT: backup.dir
 * does not exist; the errors of store_backup(). */
int manager_backup(struct manager *mgr, json_t **ret, struct err *reterr) MUSTCHECK;
/* Any thread. {"items": [{"name", "made_at", "bytes"}], newest first, "folder", "every", "keep",
 * "failure": why the last one failed, or null}. The caller owns *ret. */
int manager_backups(struct manager *mgr, json_t **ret, struct err *reterr) MUSTCHECK;
