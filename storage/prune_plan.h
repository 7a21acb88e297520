/* SPDX-License-Identifier: MIT */
/*
 * Decides which runs may be pruned, and what holds the others. Both the dry run (read/prune.c) and
 * the removal (write/prune.c) use this, each on its own connection. A spec may name an execution
 * anywhere, as a path below the executions folder.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "jobs/reason.h"
#include "storage/db.h"
#include "storage/store_read.h"

#include <stdbool.h>

#define PRUNE_NAMED_BYTES_MAX (16 << 20) /* limit of the set of executions that specs name */

struct prune_hold {
	const char *code; /* see docs/api.md */
	char message[REASON_MSG_MAX];
};

/* Usage: init, look at the runs from the newest to the oldest, done. */
struct prune_plan {
	struct db *db;
	struct buf named;  /* executions that jobs, endpoints and models name; sorted */
	struct buf chosen; /* ids of the runs that will go; a chosen run holds no other run */
};

int prune_plan_init(struct prune_plan *p, struct db *db, struct err *reterr) MUSTCHECK;
void prune_plan_done(struct prune_plan *p);
/* Returns 0 if the run's files may go: the run becomes chosen. Returns 1 if the run is held, with
 * the reason in *ret. -ERR_NOT_FOUND if there is no such run. */
int prune_plan_look(struct prune_plan *p, const char *run, struct prune_hold *ret,
		    struct err *reterr) MUSTCHECK;
/* Start a query of at most `limit` runs that match the filter, newest submit first. Columns: id,
 * name, finished_us, number. */
int prune_candidates(struct db *db, const struct prune_filter *f, int limit, struct db_stmt **ret,
		     struct err *reterr) MUSTCHECK;
/* Start a query of the ids of the executions whose directories belong to the run. */
int prune_executions(struct db *db, const char *run, struct db_stmt **ret,
		     struct err *reterr) MUSTCHECK;
/* True if the run was chosen. */
bool prune_plan_has_chosen(const struct prune_plan *p, const char *run);
/* True if the run's rows must stay after its files go, because SageMaker's ledger refers to
 * them. */
int prune_rows_stay(struct db *db, const char *run, bool *ret, struct err *reterr) MUSTCHECK;
/* Call fn for each execution that `text` names. Stops at the first non-zero result and returns
 * it. */
int prune_names(const char *text, int (*fn)(void *userdata, const char id[ID_LEN]), void *userdata);

/* ---- prune_sources.c: frozen copies of source directories ---- */

/* True if the name is that of a complete copy, a SHA-256 in hexadecimal. */
bool prune_source_name(const char *name);
/* Start a query of the copies that jobs of the run need. */
int prune_sources_of_run(struct db *db, const char *run, struct db_stmt **ret,
			 struct err *reterr) MUSTCHECK;
/* Returns 1 if a job of a run that is not chosen, a live endpoint or an added model needs the copy,
 * else 0. A run that was pruned needs none. */
int prune_source_is_used(struct prune_plan *p, const char *source, struct err *reterr) MUSTCHECK;
