/* SPDX-License-Identifier: MIT */
/* What the store's tests share: a fresh data directory, an open store, runs made by hand. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/own.h"
#include "storage/store.h"
#include "storage/store_read.h"

#define T0 INT64_C(1700000000000000) /* the tests' first moment: 2023-11-14T22:13:20Z */

struct fixture {
	char dir[64];
	struct store *st;
	struct err e;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_reopen(struct fixture *f);
void fixture_close(struct fixture *f); /* the store only */
/* The path of a file of the data directory; valid until the next call. */
const char *fixture_path(struct fixture *f, const char *name);

/* Assert success; the message of `e` otherwise. */
#define OK(f, call)                                                   \
	do {                                                          \
		int r_ = (call);                                      \
		if (r_ < 0)                                           \
			fail_msg("%s: %d %s", #call, r_, (f)->e.msg); \
	} while (0)
#define BEGIN(f)  OK(f, store_begin((f)->st, &(f)->e))
#define COMMIT(f) OK(f, store_commit((f)->st, &(f)->e))

/* A run of n jobs "a0", "b0", … (then "a1", …), each of which needs the one before when `chained`.
 */
struct run_spec *make_run(const char *name, size_t n, bool chained);
void free_run(struct run_spec *rs);
/* Insert it in a transaction of its own; ids of its jobs into ids[]. */
void insert_run(struct fixture *f, const char *name, size_t n, bool chained, int64_t now_us,
		char run[ID_LEN], char (*ids)[ID_LEN]);
/* Move a job in a transaction of its own. */
void move(struct fixture *f, const char *job, enum job_state from, enum job_state to,
	  int64_t now_us);
/* Compact text of `j`, which is released; valid until the next call. */
const char *text_of(json_t *j);
/* A whole endpoint row in ENDPOINT_CREATING; `spec` is the caller's to release. */
struct endpoint_row make_endpoint(const char *name);
/* A reader of the fixture's database, closed at the end of the block. */
struct store_reader *fixture_reader(struct fixture *f);
void fixture_reader_done(struct store_reader **sr);
#define READER(f) OWN(fixture_reader_done) struct store_reader *sr = fixture_reader(f)
