/* SPDX-License-Identifier: MIT */
/*
 * Shared by the files of storage/write/: the insides of a store, events and counts of the open
 * transaction, helpers that read rows. No other folder includes this.
 */
#pragma once

#include "storage/db.h"
#include "storage/location.h"
#include "storage/lockfile.h"
#include "storage/reserve.h"
#include "storage/store.h"

#include <stddef.h>

#define STORE_GENERATION_BYTES 8
#define STORE_INSTALL_MAX      32

/* Changes of the counts by state; the commit writes them once. */
struct count_delta {
	int64_t changes; /* of states, and of fields that lists show */
	int64_t jobs[JOB_KINDS_][JOB_STATES_];
	int64_t runs[RUN_STATES_];
	int64_t endpoints[ENDPOINT_STATES_];
};

/* Invariants: outside a transaction tx_seq == last_seq, and `pending` and `count_delta` are empty.
 * Only this process assigns seq numbers (the lock file guarantees that), so a number is known
 * before its event row is written. */
struct store {
	struct db *db;
	struct lockfile lock;
	struct location location;
	struct reserve reserve;
	struct reserve last_reserve;
	bool may_use_last; /* of the open transaction; atomic */
	char generation[2 * STORE_GENERATION_BYTES + 1];
	char install[STORE_INSTALL_MAX + 1];
	int64_t restored_us; /* store_restored_us() */
	int64_t last_seq;    /* of the last commit */
	int64_t tx_seq;	     /* the last number assigned */
	json_t *pending;     /* events of the open transaction */
	json_t *committed;   /* returned by store_take_events */
	struct count_delta count_delta;
	struct metric_series *series; /* attempts with points, most recently used first */
	bool in_savepoint;
	int64_t mark_seq; /* the values at the mark or the savepoint */
	int64_t mark_changes;
	size_t mark_pending;
	struct count_delta mark_count_delta;
};

/* write/metric.c: metrics_flush writes the points of this transaction; metrics_forget drops points
 * that were not written. */
int metrics_flush(struct store *st, struct err *reterr) MUSTCHECK;
void metrics_forget(struct store *st);

/* write/restore.c, for store_open(). restore_found: *ret is true if --restore put the database here
 * and this is its first opening. It is also true if its newest event is older than the lock file's
 * note for the same generation. restore_mark: in a transaction. */
int restore_found(struct store *st, bool *ret, struct err *reterr) MUSTCHECK;
int restore_mark(struct store *st, struct err *reterr) MUSTCHECK;
int restore_load(struct store *st, struct err *reterr) MUSTCHECK;

struct event_of {
	const char *kind;
	const char *run, *job, *endpoint; /* NULL or "": none */
};

/* Write the event `seq` (++st->tx_seq) and keep it for the feed. Takes over `body`; if `body` is
 * NULL, returns -ENOMEM. */
int event_put(struct store *st, int64_t seq, const struct event_of *of, json_t *body,
	      int64_t now_us, struct err *reterr) MUSTCHECK;
/* Raise the run's seq to `seq` and derive its state again. Event "run_state" if the state
 * changed. */
int run_follow(struct store *st, const char *run, int64_t seq, int64_t now_us,
	       struct err *reterr) MUSTCHECK;
/* Insert the pins of a new job. -ERR_CONFLICT if a pinned attempt no longer exists. */
int pins_insert(struct store *st, const struct job_spec *js, const char *job,
		struct err *reterr) MUSTCHECK;
/* Record the added models that a new job names. -ERR_CONFLICT if a model no longer exists. */
int model_uses_insert(struct store *st, const struct job_spec *js, const char *job,
		      struct err *reterr) MUSTCHECK;
/* Record the frozen copies of source directories that a new job's spec names; their removals end.
 * -ERR_STALE if one has gone since the submit was prepared. */
int source_uses_insert(struct store *st, const json_t *spec, const char *job,
		       struct err *reterr) MUSTCHECK;
/* -ERR_CONFLICT if the new job's spec names an execution whose files were pruned since the check. A
 * spec without "/executions/" needs no call. */
int prune_check_spec(struct store *st, const char *job, struct err *reterr) MUSTCHECK;
/* Raise the run's seq only. */
int run_bump_seq(struct store *st, const char *run, int64_t seq, struct err *reterr) MUSTCHECK;

/* Store the warnings of the submit as warnings of the jobs `ids`. */
int warnings_of_submit(struct store *st, const struct run_spec *rs, const char (*ids)[ID_LEN],
		       struct err *reterr) MUSTCHECK;

/* Raise the seq of a job, its run and an endpoint (NULL or "": none) to `seq`, because a field that
 * they show has changed. Completes `of` with the ids that the endpoint's row holds; the texts live
 * in *ret. -ERR_NOT_FOUND if a row is missing. */
struct owner {
	char run[ID_LEN], job[ID_LEN];
};
int owner_touch(struct store *st, const char *job, const char *endpoint, int64_t seq,
		struct event_of *of, struct owner *ret, struct err *reterr) MUSTCHECK;

/* Read the only text column of the row that `sql` selects by `id`. -ERR_NOT_FOUND if there is no
 * such `what`. */
int text_of_row(struct store *st, const char *what, const char *id, const char *sql, char *ret,
		size_t size, struct err *reterr) MUSTCHECK;
/* As db_run(), for a change of exactly one row. If no row matches: -ERR_NOT_FOUND, "there is no
 * WHAT 'ID'". */
int run_on_row(struct store *st, const char *what, const char *id, const char *sql,
	       const struct db_val *args, size_t args_n, struct err *reterr) MUSTCHECK;
/* Run an UPDATE … RETURNING of at most one row; `read` fills *ret from it. 1 if a row changed, 0 if
 * no row matches. */
int update_returning(struct store *st, const char *sql, const struct db_val *args, size_t args_n,
		     void (*read)(struct db_stmt *q, void *ret), void *ret,
		     struct err *reterr) MUSTCHECK;
int no_row(struct err *reterr, const char *what, const char *id); /* sets that error */
/* Run `q` to its end; `read` fills a new element of (*rows)[] for each row. Releases q. */
int rows_read(struct db_stmt *q, void **rows, size_t *n, size_t size,
	      int (*read)(struct db_stmt *q, void *row, struct err *reterr),
	      struct err *reterr) MUSTCHECK;

/* Read the first column of each row of `q` into a new array of texts. Releases q. */
int ids_read(struct db_stmt *q, json_t **ret, struct err *reterr) MUSTCHECK;

/* Read an enumeration from a text column. Returns 0 or -ERR_CORRUPT. */
#define COL_ENUM(q, col, parse, ret, reterr) \
	(parse(db_col_text(q, col), ret) < 0 ? col_unknown(q, col, reterr) : 0)
int col_unknown(struct db_stmt *q, int col, struct err *reterr);
/* Read a reason from two columns: code and message. */
int col_reason(struct db_stmt *q, int col, struct reason *ret, struct err *reterr) MUSTCHECK;
/* A text that does not fit fails the next db_step() or db_check_whole(). */
#define COL_COPY(dst, q, col) db_col_copy(q, col, dst, sizeof(dst))
