/* SPDX-License-Identifier: MIT */
/* A store whose commits fail, for the tests of the manager. */
#pragma once

#include "tests/unit/manager_rig.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/core.h"
#include "storage/db.h"
#include "storage/write/internal.h"
#include "tests/unit/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Each new run breaks a key that only COMMIT looks at. */
static const char break_commits[] =
	"CREATE TABLE never (n INTEGER PRIMARY KEY);"
	"CREATE TABLE broken (n INTEGER REFERENCES never (n) DEFERRABLE INITIALLY DEFERRED);"
	"CREATE TRIGGER breaks AFTER INSERT ON runs BEGIN INSERT INTO broken VALUES (1); END;";
static const char mend_commits[] = "DROP TRIGGER breaks; DROP TABLE broken; DROP TABLE never;";

static inline void script(struct rig *rig, const char *sql)
{
	struct err e = {0};

	if (db_script(rig->manager->store->db, sql, &e) < 0)
		fail_msg("%s: %s", sql, e.msg);
}

static inline void read_failed_turns(struct manager *mgr, void *userdata)
{
	*(uint64_t *)userdata = mgr->txns_failed;
}

static inline uint64_t failed_turns(struct rig *rig)
{
	uint64_t n = 0;

	rig_look(rig, read_failed_turns, &n);
	return n;
}

/* A held job, and the manager opened again on it, not running yet. */
static inline void set_up(struct rig *rig, char job[ID_LEN])
{
	char run[ID_LEN];

	rig_submit(rig, rig_script(rig, "held", "ok", ",\"held\":true"), run);
	rig_job_id(rig, run, "held", job);
	rig_stop(rig);
	rig_open(rig);
}
