/* SPDX-License-Identifier: MIT */
/*
 * The writer's part of a prune. An intent is written before the first file of a run moves, and ends
 * after the run's last file is gone. The manager thread calls this in a transaction; errors as in
 * store.h.
 */
#pragma once

#include "storage/store.h"
#include "storage/store_read.h"

/* Ids of the next PRUNE_RUNS_MAX runs that match the filter, newest submit first. New JSON array.
 * *ret_below is the filter's `below` for the rest; 0: there is none. */
int store_prune_candidates(struct store *st, const struct prune_filter *f, json_t **ret,
			   int64_t *ret_below, struct err *reterr) MUSTCHECK;
/* Write an intent for each of these runs that is not held, at most PRUNE_RUNS_MAX, in this order.
 * The order must be newest submit first: a run refers only to older runs. After the intent the
 * run's files cannot be used. Then write an intent for each frozen copy of a source directory that
 * nothing uses, of these runs and of `sources` (names; may be NULL). *ret is new: {"removed":
 * [{"run","rows"}], "kept": [{"run","reason"}], "sources": [names]}; "rows" is true if the rows
 * will go, too. Event "run_pruned" {"name","rows","by"}. */
int store_prune_runs(struct store *st, const json_t *runs, const json_t *sources, bool rows,
		     const char *by, int64_t now_us, json_t **ret, struct err *reterr) MUSTCHECK;

/* The frozen copies that have an intent. New JSON array of names. */
int store_source_removals(struct store *st, json_t **ret, struct err *reterr) MUSTCHECK;
/* End such an intent: the copy lies in the trash, or a new job needs it. */
int store_source_removed(struct store *st, const char *source, struct err *reterr) MUSTCHECK;

/* An unfinished intent. */
struct prune_row {
	char run[ID_LEN];
	bool rows;
};
struct prune_rows {
	struct prune_row *rows;
	size_t n;
};
void prune_rows_done(struct prune_rows *rows);
int store_prunes_open(struct store *st, struct prune_rows *ret, struct err *reterr) MUSTCHECK;
/* Ids of the executions whose directories belong to the run. New JSON array. */
int store_prune_executions(struct store *st, const char *run, json_t **ret,
			   struct err *reterr) MUSTCHECK;
/* End an intent whose files are gone. `rows`: True if the ends of the logs are gone, too; then the
 * run's rows go if the intent includes them. Returns 1 if the intent was extended to rows
 * meanwhile, so that more must be removed. Event "run_files_removed" {"name","bytes","rows"}. */
int store_prune_finish(struct store *st, const char *run, bool rows, int64_t bytes, int64_t now_us,
		       struct err *reterr) MUSTCHECK;
/* -ERR_PRUNED if the run was pruned. */
int store_prune_check(struct store *st, const char *run, struct err *reterr) MUSTCHECK;
