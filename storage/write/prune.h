/* SPDX-License-Identifier: MIT */
/*
 * The writer's half of a prune: an intent for each run before its first file moves, and its end
 * when the last one is gone. Everything needs a transaction; errors as in store.h.
 */
#pragma once

#include "storage/store.h"
#include "storage/store_read.h"

/* Ids of the runs that the filter means, newest submit first, at most PRUNE_LOOK_MAX: a new JSON
 * array. */
int store_prune_candidates(struct store *st, const struct prune_filter *f, json_t **ret,
			   struct err *reterr) MUSTCHECK;
/* Write the intent for each of these runs that nothing holds any more, at most PRUNE_RUNS_MAX, in
 * this order (newest submit first: what a run refers to comes after it). From here on its files
 * cannot be used. *ret is new: {"removed": [{"run","rows"}], "kept": [{"run","reason"}]}; "rows":
 * they will go, too. Event "run_pruned" {"name","rows","by"}. */
int store_prune_runs(struct store *st, const json_t *runs, bool rows, const char *by,
		     int64_t now_us, json_t **ret, struct err *reterr) MUSTCHECK;

/* An intent that is not finished. */
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
/* The ids of the executions whose directories are the run's: a new JSON array. */
int store_prune_executions(struct store *st, const char *run, json_t **ret,
			   struct err *reterr) MUSTCHECK;
/* The files of an intent are gone (`rows`: the ends of logs, too): the intent ends, and so do the
 * run's rows if they were to. 1: it became one for rows meanwhile, so that there is more to remove.
 * Event "run_files_removed" {"name","bytes","rows"}. */
int store_prune_finish(struct store *st, const char *run, bool rows, int64_t bytes, int64_t now_us,
		       struct err *reterr) MUSTCHECK;
/* -ERR_PRUNED if the job's run was pruned. */
int store_prune_check(struct store *st, const char *run, struct err *reterr) MUSTCHECK;
