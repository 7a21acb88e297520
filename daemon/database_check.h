/* SPDX-License-Identifier: MIT */
/*
 * Checks that the database is not damaged. SQLite's quick_check reads the whole file, so it runs
 * once after the start, on its own thread and connection; no other thread waits for it. The result
 * is logged and appears in GET /v1/overview.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

struct database_check;

int database_check_start(const char *data_dir, struct database_check **ret,
			 struct err *reterr) MUSTCHECK;
/* Any thread. Returns {"check": "running" | "ok" | "damaged" | "failed", "message"}; "running" for
 * NULL. */
json_t *database_check_json(struct database_check *c);
/* Interrupt the check and wait for its thread. NULL is allowed. */
void database_check_stop(struct database_check *c);
