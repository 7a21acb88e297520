/* SPDX-License-Identifier: MIT */
/* storage/db: values, errors, the cache of statements, transactions, backups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fileio.h"
#include "base/own.h"
#include "base/tree.h"
#include "storage/db.h"
#include "tests/unit/scratch.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct fixture {
	char dir[64], path[96];
	struct db *db;
	struct err e;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	scratch_make(f->dir, sizeof(f->dir), "db");
	snprintf(f->path, sizeof(f->path), "%s/t.db", f->dir);
	assert_int_equal(db_open(f->path, DB_WRITER, &f->db, &f->e), 0);
	assert_int_equal(db_script(f->db,
				   "CREATE TABLE a (n INTEGER PRIMARY KEY, t TEXT UNIQUE, "
				   "r REAL CHECK (r IS NULL OR r < 100), j TEXT) STRICT;"
				   "CREATE TABLE b (n INTEGER REFERENCES a (n)) STRICT;",
				   &f->e),
			 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	db_close(f->db);
	scratch_remove(f->dir);
	free(f);
	return 0;
}

static int insert(struct fixture *f, int64_t n, const char *t, double r, const json_t *j)
{
	return db_run(f->db, "INSERT INTO a (n, t, r, j) VALUES (?, ?, ?, ?)",
		      DB_ARGS(DB_INT(n), DB_TEXT(t), DB_REAL(r), DB_JSON(j)), &f->e);
}

static void test_values(void **state)
{
	struct fixture *f = *state;
	OWN(json_decrefp) json_t *j = json_pack("{s:[i, n]}", "k", 7);
	OWN(json_decrefp) json_t *got = NULL;
	OWN(db_releasep) struct db_stmt *q = NULL;

	assert_int_equal(db_begin(f->db, &f->e), 0);
	assert_int_equal(insert(f, INT64_MIN, "it's; -- ?", -1.5, j), 1);
	assert_int_equal(insert(f, INT64_MAX, NULL, NAN, NULL), 1);
	assert_int_equal(db_commit(f->db, &f->e), 0);
	assert_int_equal(db_query(f->db, "SELECT n, t, r, j FROM a ORDER BY n", NULL, 0, &q, &f->e),
			 0);
	assert_int_equal(db_step(q, &f->e), 1);
	assert_true(db_col_int(q, 0) == INT64_MIN);
	assert_string_equal(db_col_text(q, 1), "it's; -- ?");
	assert_true(db_col_real(q, 2) == -1.5);
	assert_int_equal(db_col_json(q, 3, &got, &f->e), 0);
	assert_true(json_equal(got, j));
	assert_int_equal(db_step(q, &f->e), 1);
	assert_true(db_col_int(q, 0) == INT64_MAX);
	for (int col = 1; col <= 3; col++)
		assert_true(db_col_is_null(q, col));
	assert_string_equal(db_col_text(q, 1), "");
	json_decref(got);
	assert_int_equal(db_col_json(q, 3, &got, &f->e), 0);
	assert_null(got);
	assert_int_equal(db_step(q, &f->e), 0);
}

static void test_errors(void **state)
{
	struct fixture *f = *state;
	struct db_stmt *q = NULL;

	assert_int_equal(db_begin(f->db, &f->e), 0);
	assert_int_equal(insert(f, 1, "x", 0, NULL), 1);
	assert_int_equal(insert(f, 2, "x", 0, NULL), -ERR_EXISTS);
	assert_int_equal(insert(f, 1, "y", 0, NULL), -ERR_EXISTS);
	assert_int_equal(insert(f, 3, "z", 200, NULL), -ERR_INVALID);
	assert_int_equal(db_run(f->db, "INSERT INTO b (n) VALUES (?)", DB_ARGS(DB_INT(9)), &f->e),
			 -ERR_NOT_FOUND);
	assert_int_equal(insert(f, 4, "after", 0, NULL), 1); /* none of these ends a transaction */
	assert_int_equal(db_commit(f->db, &f->e), 0);
	assert_int_equal(db_query_text(f->db, "SELECT colour FROM a", NULL, 0, &q, &f->e), -EINVAL);
	assert_non_null(strstr(f->e.msg, "no such column: colour"));
	assert_int_equal(f->e.code, EINVAL);
}

static void test_bad_json_is_corrupt(void **state)
{
	struct fixture *f = *state;
	OWN(db_releasep) struct db_stmt *q = NULL;
	json_t *j = NULL;

	assert_int_equal(db_script(f->db, "INSERT INTO a (j) VALUES ('{')", &f->e), 0);
	assert_int_equal(db_query(f->db, "SELECT j FROM a", NULL, 0, &q, &f->e), 0);
	assert_int_equal(db_step(q, &f->e), 1);
	assert_int_equal(db_col_json(q, 0, &j, &f->e), -ERR_CORRUPT);
	assert_string_equal(f->e.msg, "database: column j holds no JSON");
}

/* Before: a text that a row should never have was cut, and its beginning taken for the whole. */
static void test_a_text_that_does_not_fit_is_corrupt(void **state)
{
	struct fixture *f = *state;
	OWN(db_releasep) struct db_stmt *q = NULL;
	char text[8];

	assert_int_equal(db_script(f->db,
				   "INSERT INTO a (n, t) VALUES (1, '1234567'), (2, '12345678')",
				   &f->e),
			 0);
	assert_int_equal(db_query(f->db, "SELECT t FROM a ORDER BY n", NULL, 0, &q, &f->e), 0);
	assert_int_equal(db_step(q, &f->e), 1);
	db_col_copy(q, 0, text, sizeof(text));
	assert_string_equal(text, "1234567");
	assert_int_equal(db_check_whole(q, &f->e), 0);
	assert_int_equal(db_step(q, &f->e), 1);
	db_col_copy(q, 0, text, sizeof(text));
	assert_int_equal(db_check_whole(q, &f->e), -ERR_CORRUPT);
	assert_int_equal(db_step(q, &f->e), -ERR_CORRUPT);
	assert_string_equal(f->e.msg, "database: a text of column t is longer than the daemon "
				      "ever writes it");
	db_release(TAKE(q)); /* the next use of the statement starts afresh */
	assert_int_equal(db_query(f->db, "SELECT t FROM a ORDER BY n", NULL, 0, &q, &f->e), 0);
	assert_int_equal(db_step(q, &f->e), 1);
	assert_int_equal(db_check_whole(q, &f->e), 0);
}

static int64_t count_of(struct fixture *f)
{
	int64_t n = -1;

	assert_int_equal(db_get_int(f->db, "SELECT count(*) FROM a", NULL, 0, -2, &n, &f->e), 0);
	return n;
}

static void test_rollback(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(db_begin(f->db, &f->e), 0);
	assert_true(db_in_tx(f->db));
	assert_int_equal(insert(f, 1, "x", 0, NULL), 1);
	db_rollback(f->db);
	assert_false(db_in_tx(f->db));
	assert_int_equal(count_of(f), 0);
}

static const char same[] = "SELECT n FROM a WHERE n >= ? ORDER BY n";

/* The same text inside its own rows: the second is a statement of its own. */
static void test_statement_inside_itself(void **state)
{
	struct fixture *f = *state;
	OWN(db_releasep) struct db_stmt *outer = NULL, *inner = NULL;

	assert_int_equal(db_script(f->db, "INSERT INTO a (n) VALUES (1), (2), (3)", &f->e), 0);
	assert_int_equal(db_query(f->db, same, DB_ARGS(DB_INT(1)), &outer, &f->e), 0);
	assert_int_equal(db_step(outer, &f->e), 1);
	assert_int_equal(db_query(f->db, same, DB_ARGS(DB_INT(3)), &inner, &f->e), 0);
	assert_ptr_not_equal(inner, outer);
	assert_int_equal(db_step(inner, &f->e), 1);
	assert_int_equal(db_col_int(inner, 0), 3);
	assert_int_equal(db_step(inner, &f->e), 0);
	assert_int_equal(db_step(outer, &f->e), 1);
	assert_int_equal(db_col_int(outer, 0), 2);
}

/* More texts than the cache has places, each at an address of its own. */
static void test_cache_overflow(void **state)
{
	struct fixture *f = *state;
	static char texts[300][64];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 300; i++) {
			int64_t n = -1;

			snprintf(texts[i], sizeof(texts[i]), "SELECT %d", i);
			assert_int_equal(db_get_int(f->db, texts[i], NULL, 0, -1, &n, &f->e), 0);
			assert_int_equal(n, i);
		}
	}
}

static void test_get_int_falls_back(void **state)
{
	struct fixture *f = *state;
	int64_t n = 0;

	assert_int_equal(db_get_int(f->db, "SELECT n FROM a", NULL, 0, 42, &n, &f->e), 0);
	assert_int_equal(n, 42);
	assert_int_equal(db_get_int(f->db, "SELECT max(n) FROM a", NULL, 0, 43, &n, &f->e), 0);
	assert_int_equal(n, 43);
}

static void test_snapshot(void **state)
{
	struct fixture *f = *state;
	OWN(db_closep) struct db *reader = NULL;
	static const char sql[] = "SELECT count(*) FROM a";
	int64_t n = -1;

	assert_int_equal(db_open(f->path, DB_READER, &reader, &f->e), 0);
	assert_int_equal(db_begin_read(reader, &f->e), 0);
	assert_int_equal(db_get_int(reader, sql, NULL, 0, -1, &n, &f->e), 0);
	assert_int_equal(n, 0);
	assert_int_equal(db_begin(f->db, &f->e), 0);
	assert_int_equal(insert(f, 1, "x", 0, NULL), 1);
	assert_int_equal(db_commit(f->db, &f->e), 0);
	assert_int_equal(db_get_int(reader, sql, NULL, 0, -1, &n, &f->e), 0);
	assert_int_equal(n, 0);
	db_end_read(reader);
	assert_int_equal(db_get_int(reader, sql, NULL, 0, -1, &n, &f->e), 0);
	assert_int_equal(n, 1);
}

static void test_backup(void **state)
{
	struct fixture *f = *state;
	OWN(db_closep) struct db *copy = NULL;
	char path[128];
	int64_t n = -1;

	snprintf(path, sizeof(path), "%s/copy.db", f->dir);
	assert_int_equal(db_script(f->db, "INSERT INTO a (n) VALUES (1), (2)", &f->e), 0);
	assert_int_equal(db_backup(f->db, path, &f->e), 0);
	assert_int_equal(db_open(path, DB_READER, &copy, &f->e), 0);
	assert_int_equal(db_get_int(copy, "SELECT count(*) FROM a", NULL, 0, -1, &n, &f->e), 0);
	assert_int_equal(n, 2);
	snprintf(path, sizeof(path), "%s/missing/copy.db", f->dir);
	assert_true(db_backup(f->db, path, &f->e) < 0);
	assert_non_null(strstr(f->e.msg, "copy the database to"));
}

/* SQLite's own tables stay closed, whatever a statement asks for. */
static void test_the_schema_may_not_be_written(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(db_script(f->db, "PRAGMA writable_schema=ON", &f->e), 0);
	assert_true(db_script(f->db, "UPDATE sqlite_master SET sql = ''", &f->e) < 0);
	assert_non_null(strstr(f->e.msg, "may not be modified"));
}

/* A database in memory has no log, as one on a file system without shared memory. */
static void test_a_database_without_a_log_is_refused(void **state)
{
	struct fixture *f = *state;
	OWN(db_closep) struct db *db = NULL;

	assert_int_equal(db_open(":memory:", DB_WRITER, &db, &f->e), -ERR_UNSUPPORTED);
	assert_non_null(strstr(f->e.msg, "does not support SQLite's write-ahead log"));
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_values),
		CASE(test_errors),
		CASE(test_bad_json_is_corrupt),
		CASE(test_a_text_that_does_not_fit_is_corrupt),
		CASE(test_rollback),
		CASE(test_statement_inside_itself),
		CASE(test_cache_overflow),
		CASE(test_get_int_falls_back),
		CASE(test_snapshot),
		CASE(test_backup),
		CASE(test_the_schema_may_not_be_written),
		CASE(test_a_database_without_a_log_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
