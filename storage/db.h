/* SPDX-License-Identifier: MIT */
/*
 * The one door to SQLite: a connection with our settings, cached statements, bound values, paths
 * below the database's directory (paths.h), errors as struct err. A connection belongs to one
 * thread. Codes: -ENOSPC (disk full), -EIO, -ENOMEM, -ERR_CORRUPT, -ERR_EXISTS (unique),
 * -ERR_NOT_FOUND (foreign key), -ERR_UNAVAILABLE (busy).
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
	DB_WRITER, /* made when missing; WAL, synchronous=FULL, foreign keys */
	DB_READER, /* must exist; read-only */
};

int db_open(const char *path, enum db_mode mode, struct db **ret, struct err *reterr) MUSTCHECK;
void db_close(struct db *db);		 /* NULL is allowed */
const char *db_dir(const struct db *db); /* the directory of its file, borrowed */
void db_closep(struct db **db);
/* Any thread: what runs on this connection ends with -ERR_CANCELLED. */
void db_interrupt(struct db *db);
/* When a write finds the disk full, this is called once per write, on the writing thread; true:
 * space was made, write again. One hook for the process; NULL removes it. */
void db_on_full(bool (*make_room)(void *userdata), void *userdata);

/* One value for a '?'. Text and JSON are borrowed until the statement is released. */
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
#define DB_INT(x)  ((struct db_val){.type = DB_VAL_INT, .i = (x)})
#define DB_REAL(x) ((struct db_val){.type = DB_VAL_REAL, .d = (x)}) /* NaN becomes NULL */
#define DB_TEXT(x) ((struct db_val){.type = DB_VAL_TEXT, .s = (x)}) /* NULL becomes NULL */
#define DB_PATH(x) ((struct db_val){.type = DB_VAL_PATH, .s = (x)}) /* see db_col_path() */
#define DB_PLAIN(x) \
	((struct db_val){.type = DB_VAL_PLAIN, .j = (x)}) /* JSON, its paths as they are */
#define DB_JSON(x) ((struct db_val){.type = DB_VAL_JSON, .j = (x)}) /* NULL becomes NULL */
struct db_val db_id(const char *id);				    /* "" becomes NULL */
#define DB_ARGS(...)                          \
	(const struct db_val[]){__VA_ARGS__}, \
		sizeof((const struct db_val[]){__VA_ARGS__}) / sizeof(struct db_val)

/* Start a cached statement: `sql` must be a string literal, its address is the key. Release with
 * db_release() (OWN(db_releasep)). */
int db_query(struct db *db, const char *sql, const struct db_val *args, size_t args_n,
	     struct db_stmt **ret, struct err *reterr) MUSTCHECK;
/* The same for text that was put together at run time: never cached. */
int db_query_text(struct db *db, const char *sql, const struct db_val *args, size_t args_n,
		  struct db_stmt **ret, struct err *reterr) MUSTCHECK;
/* 1: a row; 0: no more; negative: error. */
int db_step(struct db_stmt *q, struct err *reterr) MUSTCHECK;
void db_release(struct db_stmt *q); /* NULL is allowed */
void db_releasep(struct db_stmt **q);
/* Run a cached statement to its end; returns how many rows it changed. */
int db_run(struct db *db, const char *sql, const struct db_val *args, size_t args_n,
	   struct err *reterr) MUSTCHECK;
/* The first column of the first row as an integer; `fallback` when there is none or it is NULL. */
int db_get_int(struct db *db, const char *sql, const struct db_val *args, size_t args_n,
	       int64_t fallback, int64_t *ret, struct err *reterr) MUSTCHECK;
/* Statements without values, several in one text: schema and settings. */
int db_script(struct db *db, const char *sql, struct err *reterr) MUSTCHECK;
int64_t db_last_rowid(struct db *db);

bool db_col_is_null(struct db_stmt *q, int col);
int64_t db_col_int(struct db_stmt *q, int col);	     /* NULL: 0 */
double db_col_real(struct db_stmt *q, int col);	     /* NULL: 0 */
const char *db_col_text(struct db_stmt *q, int col); /* NULL: ""; until the next step */
/* A text that was bound with DB_PATH: a path, or anything else. -ERR_LIMIT: it does not fit, and
 * `buf` is not to be used; never cut. */
int db_col_path(struct db_stmt *q, int col, char *buf, size_t size, struct err *reterr) MUSTCHECK;
/* A new reference; NULL column: *ret = NULL. -ERR_CORRUPT when it does not parse. */
int db_col_json(struct db_stmt *q, int col, json_t **ret, struct err *reterr) MUSTCHECK;
/* The same of a column that was written with DB_PLAIN. */
int db_col_plain(struct db_stmt *q, int col, json_t **ret, struct err *reterr) MUSTCHECK;

/* Transactions. A write outside of one is a bug (asserted). When SQLite itself undid the
 * transaction after an error (disk full), every call up to db_rollback fails with that error. */
int db_begin(struct db *db, struct err *reterr) MUSTCHECK;  /* BEGIN IMMEDIATE */
int db_commit(struct db *db, struct err *reterr) MUSTCHECK; /* on failure it is rolled back */
void db_rollback(struct db *db);
bool db_in_tx(const struct db *db);
int db_begin_read(struct db *db,
		  struct err *reterr) MUSTCHECK; /* one snapshot for several queries */
void db_end_read(struct db *db);

/* Move as much of the WAL into the file as readers allow; never blocks on them. */
void db_checkpoint(struct db *db);
/* A consistent, durable copy at `path`, which must not exist. */
int db_backup(struct db *db, const char *path, struct err *reterr) MUSTCHECK;
