/* SPDX-License-Identifier: MIT */
/*
 * Which runs may be pruned, and what holds the others. One answer for who only asks (read/prune.c)
 * and for who does it (write/prune.c), on any connection. Names of executions are found wherever
 * they stand in a spec, as paths below the folder of the executions.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "jobs/reason.h"
#include "storage/db.h"
#include "storage/store_read.h"

#include <stdbool.h>

#define PRUNE_NAMED_BYTES_MAX (16 << 20) /* of executions that specs name */

struct prune_hold {
	const char *code; /* see docs/api.md */
	char message[REASON_MSG_MAX];
};

/* Use: init, look at runs from the newest to the oldest, done. */
struct prune_plan {
	struct db *db;
	struct buf named;  /* executions that jobs, endpoints and models name, sorted */
	struct buf chosen; /* ids of runs that go: what they refer to is not held by them */
};

int prune_plan_init(struct prune_plan *p, struct db *db, struct err *reterr) MUSTCHECK;
void prune_plan_done(struct prune_plan *p);
/* 0: the files of the run may go, and it counts as chosen; 1: *ret says what holds them;
 * -ERR_NOT_FOUND. */
int prune_plan_look(struct prune_plan *p, const char *run, struct prune_hold *ret,
		    struct err *reterr) MUSTCHECK;
/* Start a query of the runs that the filter means, newest submit first: id, name, finished_us. */
int prune_candidates(struct db *db, const struct prune_filter *f, struct db_stmt **ret,
		     struct err *reterr) MUSTCHECK;
/* Start a query of the ids of the executions whose directories are the run's. */
int prune_executions(struct db *db, const char *run, struct db_stmt **ret,
		     struct err *reterr) MUSTCHECK;
/* True if the run's rows must stay when its files go: the ledger of SageMaker names them. */
int prune_rows_stay(struct db *db, const char *run, bool *ret, struct err *reterr) MUSTCHECK;
/* Call fn for each execution that `text` names, until it returns non-zero, and return that. */
int prune_names(const char *text, int (*fn)(void *userdata, const char id[ID_LEN]), void *userdata);
