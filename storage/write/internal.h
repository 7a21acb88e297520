/* SPDX-License-Identifier: MIT */
/*
 * What the store_*.c files share: the store's insides, events and tallies of the open transaction,
 * helpers to read rows. Nothing here is for other folders.
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

/* Changes of the counts by state, written once at the commit. */
struct tally {
	int64_t changes; /* of states and of what lists show */
	int64_t jobs[JOB_STATES_];
	int64_t runs[RUN_STATES_];
	int64_t endpoints[ENDPOINT_STATES_];
};

/* Invariants: outside of a transaction tx_seq == last_seq, `pending` is empty and `tally` is zero;
 * seq numbers are given by this process alone (the lock file), so they are known before the event
 * row is written. */
struct store {
	struct db *db;
	struct lockfile lock;
	struct location location;
	struct reserve reserve;
	char generation[2 * STORE_GENERATION_BYTES + 1];
	char install[STORE_INSTALL_MAX + 1];
	int64_t last_seq;  /* committed */
	int64_t tx_seq;	   /* given so far */
	json_t *pending;   /* events of the open transaction */
	json_t *committed; /* for store_take_events */
	struct tally tally;
	struct metric_series *series; /* of attempts with points, the newest in front */
	bool in_savepoint;
	int64_t mark_seq; /* as they were at the savepoint */
	size_t mark_pending;
	struct tally mark_tally;
};

/* write/metric.c: write the points of this transaction; forget what was not written. */
int metrics_flush(struct store *st, struct err *reterr) MUSTCHECK;
void metrics_forget(struct store *st);

struct event_of {
	const char *kind;
	const char *run, *job, *endpoint; /* NULL or "": none */
};

/* Write the event `seq` (++st->tx_seq) and keep it for the feed. Takes over `body` (NULL: -ENOMEM).
 */
int event_put(struct store *st, int64_t seq, const struct event_of *of, json_t *body,
	      int64_t now_us, struct err *reterr) MUSTCHECK;
/* The run's seq rises to `seq` and its state is derived anew; event "run_state" when it changed. */
int run_follow(struct store *st, const char *run, int64_t seq, int64_t now_us,
	       struct err *reterr) MUSTCHECK;
/* The pins of a new job; -ERR_CONFLICT if what one names is not there any more. */
int pins_insert(struct store *st, const struct job_spec *js, const char *job,
		struct err *reterr) MUSTCHECK;
/* The added models that a new job names; -ERR_CONFLICT if one is not there any more. */
int model_uses_insert(struct store *st, const struct job_spec *js, const char *job,
		      struct err *reterr) MUSTCHECK;
/* -ERR_CONFLICT if the spec of a new job names an execution whose files were pruned meanwhile. */
int prune_check_spec(struct store *st, const char *job, struct err *reterr) MUSTCHECK;
/* Only its seq rises. */
int run_touch(struct store *st, const char *run, int64_t seq, struct err *reterr) MUSTCHECK;

/* What the submit warned of, as warnings of the jobs `ids`. */
int warnings_of_submit(struct store *st, const struct run_spec *rs, char (*ids)[ID_LEN],
		       struct err *reterr) MUSTCHECK;

/* The seq of a job, its run and of an endpoint (NULL or "": none) rises to `seq`: something that
 * they show has changed. `of` gets their ids for the event, also those that only the endpoint
 * knows; they lie in *ret. -ERR_NOT_FOUND. */
struct owner {
	char run[ID_LEN], job[ID_LEN];
};
int owner_touch(struct store *st, const char *job, const char *endpoint, int64_t seq,
		struct event_of *of, struct owner *ret, struct err *reterr) MUSTCHECK;

/* The one text column of the row that `sql` asks for by `id`. -ERR_NOT_FOUND: there is no such
 * `what`. */
int text_of_row(struct store *st, const char *what, const char *id, const char *sql, char *ret,
		size_t size, struct err *reterr) MUSTCHECK;
/* db_run() of a change that must hit a row: no row is -ERR_NOT_FOUND, "there is no WHAT 'ID'". */
int run_on_row(struct store *st, const char *what, const char *id, const char *sql,
	       const struct db_val *args, size_t args_n, struct err *reterr) MUSTCHECK;
int no_row(struct err *reterr, const char *what, const char *id); /* that error */
/* One more zeroed row at the end of an array of *n; NULL when memory is out. */
void *rows_add(void **rows, size_t *n, size_t size);
/* Run `q` to its end, one `read` per row into a new element of (*rows)[]; releases q. */
int rows_read(struct db_stmt *q, void **rows, size_t *n, size_t size,
	      int (*read)(struct db_stmt *q, void *row, struct err *reterr),
	      struct err *reterr) MUSTCHECK;

/* An enumeration out of a text column; 0 or -ERR_CORRUPT. */
#define COL_ENUM(q, col, parse, ret, reterr) \
	(parse(db_col_text(q, col), ret) < 0 ? col_unknown(q, col, reterr) : 0)
int col_unknown(struct db_stmt *q, int col, struct err *reterr);
/* Two columns: code and message. */
int col_reason(struct db_stmt *q, int col, struct reason *ret, struct err *reterr) MUSTCHECK;
#define COL_COPY(dst, q, col) str_copy(dst, sizeof(dst), db_col_text(q, col))
