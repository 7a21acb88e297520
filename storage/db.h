/* SPDX-License-Identifier: MIT */
/*
 * The only interface to SQLite: a connection with the project's settings, cached statements, bound
 * values, paths relative to the data directory (paths.h). The store and the readers call it. A
 * connection belongs to one thread. Every call may block on the disk. Error codes: -ENOSPC (disk
 * full), -EIO, -ENOMEM, -ERR_CORRUPT, -ERR_EXISTS (unique), -ERR_NOT_FOUND (foreign key),
 * -ERR_UNAVAILABLE (busy).
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct db_stmt;

enum db_mode {
	DB_WRITER, /* creates the file if it is missing; WAL, synchronous=FULL, foreign keys */
	DB_READER, /* the file must exist; read-only */
};

int db_open(const char *path, enum db_mode mode, struct db **ret, struct err *reterr) MUSTCHECK;
void db_close(struct db *db);		 /* NULL is allowed */
const char *db_dir(const struct db *db); /* the directory of the database file; borrowed */
void db_closep(struct db **db);
/* Any thread. The call that runs on this connection ends with -ERR_CANCELLED. */
void db_interrupt(struct db *db);
/* Set the hook that frees disk space. The writing thread calls the hook once for each write that
 * finds the disk full. True if space was freed: the write is tried again. Before that, up to
 * *ret_claim bytes (0 at the call) are allocated to its file, so that no other writer gets them.
 * One hook for the process; NULL removes the hook. */
void db_on_full(bool (*make_room)(void *userdata, int64_t *ret_claim), void *userdata);

/* A value for one '?'. Text and JSON are borrowed until the statement is released. */
struct db_val {
	enum {
		DB_VAL_NULL,
		DB_VAL_INT,
		DB_VAL_REAL,
		DB_VAL_TEXT,
		DB_VAL_PATH,
		DB_VAL_JSON,
		DB_VAL_PLAIN
	} type;
	union {
		int64_t i;
		double d;
		const char *s;
		const json_t *j;
	};
};
#define DB_INT(x)   ((struct db_val){.type = DB_VAL_INT, .i = (x)})
#define DB_REAL(x)  ((struct db_val){.type = DB_VAL_REAL, .d = (x)})  /* NaN is stored as NULL */
#define DB_TEXT(x)  ((struct db_val){.type = DB_VAL_TEXT, .s = (x)})  /* NULL stays NULL */
#define DB_PATH(x)  ((struct db_val){.type = DB_VAL_PATH, .s = (x)})  /* see db_col_path() */
#define DB_PLAIN(x) ((struct db_val){.type = DB_VAL_PLAIN, .j = (x)}) /* paths stay unchanged */
#define DB_JSON(x)  ((struct db_val){.type = DB_VAL_JSON, .j = (x)})  /* NULL stays NULL */
struct db_val db_id(const char *id);				      /* "" is stored as NULL */
#define DB_ARGS(...)                          \
	(const struct db_val[]){__VA_ARGS__}, \
		sizeof((const struct db_val[]){__VA_ARGS__}) / sizeof(struct db_val)

/* Start a cached statement. `sql` must be a string literal: its address is the key of the cache.
 * Release the statement with db_release() (OWN(db_releasep)). */
int db_query(struct db *db, const char *sql, const struct db_val *args, size_t args_n,
	     struct db_stmt **ret, struct err *reterr) MUSTCHECK;
/* As db_query(), then db_step() to the first row. */
int db_first(struct db *db, const char *sql, const struct db_val *args, size_t args_n,
	     struct db_stmt **ret, struct err *reterr) MUSTCHECK;
/* As db_query(), for SQL text that was built at run time. The newest few statements are kept. */
int db_query_text(struct db *db, const char *sql, const struct db_val *args, size_t args_n,
		  struct db_stmt **ret, struct err *reterr) MUSTCHECK;
/* Returns 1 if there is a row, 0 after the last row, or a negative error. */
int db_step(struct db_stmt *q, struct err *reterr) MUSTCHECK;
void db_release(struct db_stmt *q); /* NULL is allowed */
void db_releasep(struct db_stmt **q);
/* Run a cached statement to its end. Returns the number of changed rows. */
int db_run(struct db *db, const char *sql, const struct db_val *args, size_t args_n,
	   struct err *reterr) MUSTCHECK;
/* Read the first column of the first row as an integer. *ret is `fallback` if there is no row or
 * the column is NULL. */
int db_get_int(struct db *db, const char *sql, const struct db_val *args, size_t args_n,
	       int64_t fallback, int64_t *ret, struct err *reterr) MUSTCHECK;
/* Run one or more statements without values: schema and settings. */
int db_script(struct db *db, const char *sql, struct err *reterr) MUSTCHECK;
int64_t db_last_rowid(struct db *db);
/* Rows that this connection has changed so far, also those that were rolled back. */
int64_t db_changes(const struct db *db);

bool db_col_is_null(struct db_stmt *q, int col);
int64_t db_col_int(struct db_stmt *q, int col);	     /* 0 if NULL */
double db_col_real(struct db_stmt *q, int col);	     /* 0 if NULL */
const char *db_col_text(struct db_stmt *q, int col); /* "" if NULL; valid until the next step */
/* Copy a text of bounded size. A longer one is cut and fails the next db_step(); if that may not
 * come before the text is used, call db_check_whole(). */
void db_col_copy(struct db_stmt *q, int col, char *buf, size_t size);
/* -ERR_CORRUPT if db_col_copy() has cut a text since the statement was started. */
int db_check_whole(const struct db_stmt *q, struct err *reterr) MUSTCHECK;
/* Read a text that was bound with DB_PATH. -ERR_LIMIT if the text does not fit: it is never cut,
 * and `buf` must not be used. */
int db_col_path(struct db_stmt *q, int col, char *buf, size_t size, struct err *reterr) MUSTCHECK;
/* Read a JSON column as a new reference. *ret is NULL if the column is NULL. -ERR_CORRUPT if the
 * text does not parse. */
int db_col_json(struct db_stmt *q, int col, json_t **ret, struct err *reterr) MUSTCHECK;
/* Append the value of a JSON column to *out as text, as db_col_json() and json_put() would: nothing
 * if the column is NULL. `plain`: the column was bound with DB_PLAIN. */
int db_col_json_put(struct db_stmt *q, int col, bool plain, struct buf *out,
		    struct err *reterr) MUSTCHECK;
/* As db_col_json(), for a column that was bound with DB_PLAIN. */
int db_col_plain(struct db_stmt *q, int col, json_t **ret, struct err *reterr) MUSTCHECK;

/* Transactions. A write outside a transaction is a bug (asserted). If SQLite itself rolls back
 * after an error (disk full), every later call fails with that error until db_rollback(). */
int db_begin(struct db *db, struct err *reterr) MUSTCHECK;  /* BEGIN IMMEDIATE */
int db_commit(struct db *db, struct err *reterr) MUSTCHECK; /* rolls back on failure */
void db_rollback(struct db *db);
bool db_in_tx(const struct db *db);
/* True if an error has undone the open transaction; db_commit() then fails. */
bool db_tx_is_lost(const struct db *db);
int db_begin_read(struct db *db,
		  struct err *reterr) MUSTCHECK; /* one snapshot for several queries */
void db_end_read(struct db *db);

/* True if a read, a write or a sync of a writer has failed, and not for lack of space. What the
 * disk has is then unknown, and a sync that is tried again may succeed although data is lost. So
 * from now on nothing is written or synced on this connection, not even by db_close(). */
bool db_is_broken(const struct db *db);

/* Move as much of the WAL into the database file as the readers allow. Does not wait for
 * readers. Gives back unused memory of the page cache. */
void db_checkpoint(struct db *db);
/* Run SQLite's quick_check: reads the whole file. -ERR_CORRUPT: the message has the first finding
 * and the remedy. */
int db_quick_check(struct db *db, const char *remedy, struct err *reterr) MUSTCHECK;
/* Write a consistent, durable copy to `path`, which must not exist. */
int db_backup(struct db *db, const char *path, struct err *reterr) MUSTCHECK;
