/* SPDX-License-Identifier: MIT */
/*
 * Checks that the database is whole. SQLite's quick_check reads all of it, so it runs once after
 * the start on a thread and a connection of its own; nothing waits for it. Its findings are logged
 * and stand in GET /v1/overview.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

struct database_check;

int database_check_start(const char *data_dir, struct database_check **ret,
			 struct err *reterr) MUSTCHECK;
/* Any thread: {"check": "running" | "ok" | "damaged" | "failed", "message"}. NULL is "running". */
json_t *database_check_json(struct database_check *c);
/* Interrupt it and wait for its end. NULL is allowed. */
void database_check_stop(struct database_check *c);
