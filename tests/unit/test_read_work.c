/* SPDX-License-Identifier: MIT */
/* The first page of each list: SQLite reads only its rows, from an index, and does not sort,
 * however many rows the table has. */
#include "tests/unit/store_fixture.h"

#include "base/own.h"
#include "storage/db_parts.h"
#include "storage/read/internal.h"

#define MANY   200
#define PAGE   50
#define QUEUED (UINT32_C(1) << STATE_QUEUED)

struct work {
	int steps, sorts, scanned; /* of SQLite's machine; statements that sort; rows of scans */
};

static int add_work(unsigned kind, void *userdata, void *statement, void *ns)
{
	struct work *w = userdata;

	w->steps += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1);
	w->sorts += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_SORT, 1);
	w->scanned += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
	return 0;
}

static int read_queue(struct store_reader *sr, const struct list_filter *f, struct buf *out,
		      struct err *reterr)
{
	return store_read_queue(sr, f->limit, out, reterr);
}

static const struct {
	int (*read)(struct store_reader *sr, const struct list_filter *f, struct buf *out,
		    struct err *reterr);
	struct list_filter filter;
	int sorts; /* the queue sorts its one page of rows */
} lists[] = {
	{store_read_jobs, {.limit = PAGE}, 0},
	{store_read_jobs, {.limit = PAGE, .states = QUEUED}, 0},
	{store_read_jobs, {.limit = PAGE, .sort = "created_at"}, 0},
	{store_read_jobs, {.limit = PAGE, .with_spec = true}, 0},
	{store_read_runs, {.limit = PAGE}, 0},
	{store_read_runs, {.limit = PAGE, .states = UINT32_C(1) << RUN_QUEUED}, 0},
	{store_read_runs, {.limit = PAGE, .name = "many"}, 0},
	{read_queue, {.limit = PAGE}, 1},
};

static void read_all(struct fixture *f, struct work all[ARRAY_LEN(lists)])
{
	struct store_reader *sr = NULL;

	OK(f, store_reader_open(f->dir, &sr, &f->e));
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		OWN(buf_done) struct buf out = BUF_INIT(SIZE_MAX / 2);

		all[i] = (struct work){0};
		sqlite3_trace_v2(sr->db->h, SQLITE_TRACE_PROFILE, add_work, &all[i]);
		OK(f, lists[i].read(sr, &lists[i].filter, &out, &f->e));
		sqlite3_trace_v2(sr->db->h, 0, NULL, NULL);
		assert_true(all[i].steps > 0);
	}
	store_reader_close(sr);
}

static void test_a_page_costs_the_same_among_more_rows(void **state)
{
	struct fixture *f = *state;
	struct work few[ARRAY_LEN(lists)], many[ARRAY_LEN(lists)];

	for (int i = 0; i < MANY; i++)
		insert_run(f, "many", 2, true, T0 + i, NULL, NULL);
	read_all(f, few);
	for (int i = 0; i < 3 * MANY; i++)
		insert_run(f, "many", 2, true, T0 + MANY + i, NULL, NULL);
	read_all(f, many);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		if (many[i].steps != few[i].steps)
			fail_msg("list %zu: %d steps, then %d", i, few[i].steps, many[i].steps);
		if (many[i].sorts != lists[i].sorts || many[i].scanned > 2 * PAGE)
			fail_msg("list %zu: %d sorts, %d rows scanned", i, many[i].sorts,
				 many[i].scanned);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_page_costs_the_same_among_more_rows,
						fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
