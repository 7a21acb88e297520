/* SPDX-License-Identifier: MIT */
/* storage/write/money: the ledger, and its sums over UTC days and months. */
#include "tests/unit/resource_fixture.h"

#include "base/clock.h"
#include "base/money.h"

#include <signal.h>
#include <sys/wait.h>

#define USD(n) ((n)*MICRO_USD_PER_USD)

static int64_t at(const char *text)
{
	int64_t us;

	assert_int_equal(clock_parse(text, &us), 0);
	return us;
}

/* A fresh training job resource of `job`; its id. */
static void make_resource(struct fixture *f, const char *job, char id[ID_LEN])
{
	OWN(resource_row_done)
	struct resource_row row = new_resource(RESOURCE_TRAINING_JOB, job, "");

	insert_resource(f, &row);
	memcpy(id, row.id, ID_LEN);
}

static struct money_entry make_entry(enum money_what what, const char *resource, const char *job,
				     int64_t micro_usd)
{
	struct money_entry entry = {.what = what, .micro_usd = micro_usd, .words = "in words"};

	str_must_copy(entry.resource, sizeof(entry.resource), resource);
	str_must_copy(entry.job, sizeof(entry.job), job);
	return entry;
}

static int add(struct fixture *f, enum money_what what, const char *resource, int64_t micro_usd,
	       int64_t now_us)
{
	struct money_entry entry = make_entry(what, resource, "", micro_usd);
	int r;

	BEGIN(f);
	r = store_money_add(f->st, &entry, now_us, &f->e);
	if (r < 0)
		store_rollback(f->st);
	else
		COMMIT(f);
	return r;
}

static void assert_sums(struct fixture *f, int64_t now_us, const char *resource, int64_t day,
			int64_t month, int64_t of_resource)
{
	struct money_sums sums;

	OK(f, store_money_sums(f->st, "", resource, now_us, &sums, &f->e));
	assert_int_equal(sums.day, day);
	assert_int_equal(sums.month, month);
	assert_int_equal(sums.resource, of_resource);
	assert_int_equal(sums.job, 0);
}

static void test_reserve_and_settle(void **state)
{
	struct fixture *f = *state;
	char ids[1][ID_LEN], a[ID_LEN], b[ID_LEN];
	struct money_sums sums;
	struct money_entry entry;
	int64_t seq;

	insert_run(f, "imdb", 1, false, T0, NULL, ids);
	make_resource(f, ids[0], a);
	make_resource(f, ids[0], b);
	json_decref(store_take_events(f->st));
	entry = make_entry(MONEY_RESERVE, a, ids[0], USD(10));
	BEGIN(f);
	OK(f, store_money_add(f->st, &entry, T0, &f->e));
	COMMIT(f);
	OWN(json_decrefp) json_t *events = events_of(f, "money");
	assert_int_equal(json_array_size(events), 1);
	json_t *event = json_array_get(events, 0);
	assert_string_equal(json_get_str(event, "usd", ""), "10.00");
	assert_string_equal(json_get_str(event, "what", ""), "reserve");
	assert_string_equal(json_get_str(event, "words", ""), "in words");
	assert_string_equal(json_get_str(event, "cloud", ""), a);
	assert_string_equal(json_get_str(event, "job", ""), ids[0]);
	assert_true(json_get_str(event, "run", "")[0]);
	seq = job_seq(f, ids[0]);
	assert_int_equal(seq, json_get_int(event, "seq", 0));
	OK(f, add(f, MONEY_RESERVE, b, USD(5), T0)); /* the second attempt */
	OK(f, add(f, MONEY_SETTLE, a, -USD(8), T0 + 1));
	OK(f, store_money_sums(f->st, ids[0], a, T0, &sums, &f->e));
	assert_int_equal(sums.day, USD(7));
	assert_int_equal(sums.month, USD(7));
	assert_int_equal(sums.job, USD(7));
	assert_int_equal(sums.resource, USD(2));
}

/* Midnight and the end of the month, UTC; the sums of an earlier day are never those of now. */
static void test_boundaries(void **state)
{
	struct fixture *f = *state;
	char a[ID_LEN], b[ID_LEN], c[ID_LEN];
	int64_t last = at("2024-02-29T23:59:59.999Z"), next = at("2024-03-01T00:00:00.000Z");

	make_resource(f, "", a);
	make_resource(f, "", b);
	make_resource(f, "", c);
	OK(f, add(f, MONEY_RESERVE, a, 1, at("2024-02-01")));
	OK(f, add(f, MONEY_RESERVE, b, 10, last));
	assert_sums(f, last, "", 10, 11, 0);
	assert_sums(f, next, "", 0, 0, 0);
	OK(f, add(f, MONEY_RESERVE, c, 100, next));
	assert_sums(f, next, c, 100, 100, 100);
	assert_sums(f, last, b, 10, 11, 10);
	assert_sums(f, at("2024-01-31T23:59:59Z"), "", 0, 0, 0);
	assert_sums(f, at("2024-03-31T23:59:59Z"), "", 0, 100, 0);
	assert_sums(f, at("2024-04-01"), "", 0, 0, 0);
	assert_sums(f, at("2025-02-15"), "", 0, 0, 0); /* another year */
}

/* What is given back after midnight does not make room on the new day: its cap holds. */
static void test_settling_later_counts_where_it_was_reserved(void **state)
{
	struct fixture *f = *state;
	char a[ID_LEN];
	int64_t day1 = at("2024-02-29T12:00:00Z"), day2 = at("2024-03-01T12:00:00Z"),
		day3 = at("2024-03-02T12:00:00Z");

	make_resource(f, "", a);
	OK(f, add(f, MONEY_RESERVE, a, 100, day1));
	OK(f, add(f, MONEY_RESERVE, a, 50, day2)); /* a renewal */
	OK(f, add(f, MONEY_SETTLE, a, -70, day3));
	assert_sums(f, day3, a, 0, 0, 80);
	assert_sums(f, day2, a, 0, 0, 80);
	assert_sums(f, day1, a, 80, 80, 80);
	OK(f, add(f, MONEY_SETTLE, a, -80, day3)); /* it was nothing after all */
	assert_sums(f, day1, a, 0, 0, 0);
	assert_int_equal(add(f, MONEY_SETTLE, a, -1, day3), -ERR_CONFLICT);
	assert_non_null(strstr(f->e.msg, "cannot give back more money than was reserved"));
}

/* A lease that became shorter: the money is free at once, of the newest day first. */
static void test_less_is_reserved(void **state)
{
	struct fixture *f = *state;
	int64_t day1 = at("2024-02-29T12:00:00Z"), day2 = at("2024-03-01T12:00:00Z");
	char a[ID_LEN];

	make_resource(f, "", a);
	OK(f, add(f, MONEY_RESERVE, a, 100, day1));
	OK(f, add(f, MONEY_RESERVE, a, 50, day2));
	OK(f, add(f, MONEY_RESERVE, a, -70, day2));
	assert_sums(f, day2, a, 0, 0, 80);
	assert_sums(f, day1, a, 80, 80, 80);
	assert_int_equal(add(f, MONEY_RESERVE, a, -81, day2), -ERR_CONFLICT);
	OK(f, add(f, MONEY_RESERVE, a, 20, day2)); /* and longer again */
	OK(f, add(f, MONEY_SETTLE, a, -60, day2));
	assert_sums(f, day2, a, 0, 0, 40);
	assert_sums(f, day1, a, 40, 40, 40);
	assert_int_equal(add(f, MONEY_RESERVE, a, -1, day2), -ERR_CONFLICT);
}

static void test_settled_is_final(void **state)
{
	struct fixture *f = *state;
	char a[ID_LEN], b[ID_LEN];

	make_resource(f, "", a);
	make_resource(f, "", b);
	OK(f, add(f, MONEY_RESERVE, a, 10, T0));
	OK(f, add(f, MONEY_SETTLE, a, 0, T0));
	assert_int_equal(add(f, MONEY_RESERVE, a, 1, T0), -ERR_CONFLICT);
	assert_non_null(strstr(f->e.msg, "is settled"));
	assert_sums(f, T0, a, 10, 10, 10);
	/* Dearer than thought: it counts now. */
	OK(f, add(f, MONEY_RESERVE, b, 10, T0));
	OK(f, add(f, MONEY_SETTLE, b, 5, T0));
	assert_sums(f, T0, b, 25, 25, 15);
	/* A settlement of what never reserved anything. */
	assert_int_equal(add(f, MONEY_SETTLE, "c0", 0, T0), -ERR_NOT_FOUND);
}

/* What the ledger says is what the sums say. */
static void check_sums(struct fixture *f, struct db *db)
{
	assert_int_equal(raw_int(f, db,
				 "SELECT count(*) FROM money_days d WHERE d.micro_usd != "
				 "(SELECT sum(m.micro_usd) FROM money m WHERE m.day = d.day)"),
			 0);
	assert_int_equal(
		raw_int(f, db,
			"SELECT count(*) FROM resources c WHERE "
			"c.reserved_micro_usd + c.difference_micro_usd != coalesce("
			"(SELECT sum(m.micro_usd) FROM money m WHERE m.resource = c.id), 0)"),
		0);
	assert_int_equal(
		raw_int(f, db,
			"SELECT count(*) FROM money_days d WHERE d.open_micro_usd != "
			"coalesce((SELECT sum(m.micro_usd) FROM money m JOIN resources c "
			"ON c.id = m.resource WHERE m.day = d.day AND c.settled_us = 0), 0)"),
		0);
	assert_int_equal(raw_int(f, db, "SELECT count(DISTINCT day) FROM money"),
			 raw_int(f, db, "SELECT count(*) FROM money_days"));
	assert_int_equal(raw_int(f, db, "SELECT count(*) FROM money_days WHERE micro_usd < 0"), 0);
}

/* A correction after the settlement frees no reservation a second time. */
static void test_a_second_settlement_closes_nothing_again(void **state)
{
	struct fixture *f = *state;
	char a[ID_LEN], b[ID_LEN];
	OWN(db_closep) struct db *db = NULL;

	make_resource(f, "", a);
	make_resource(f, "", b);
	OK(f, add(f, MONEY_RESERVE, a, 10, T0));
	OK(f, add(f, MONEY_RESERVE, b, 7, T0));
	OK(f, add(f, MONEY_SETTLE, a, -2, T0));
	OK(f, add(f, MONEY_SETTLE, a, 3, T0));
	OK(f, add(f, MONEY_SETTLE, a, -1, T0));
	db = raw_open(f);
	check_sums(f, db);
	assert_int_equal(raw_int(f, db, "SELECT sum(open_micro_usd) FROM money_days"), 7);
}

static void test_limits(void **state)
{
	struct fixture *f = *state;
	char a[ID_LEN], b[ID_LEN];
	OWN(db_closep) struct db *db = NULL;

	make_resource(f, "", a);
	make_resource(f, "", b);
	assert_int_equal(add(f, MONEY_RESERVE, a, -1, T0), -ERR_CONFLICT);
	assert_int_equal(add(f, MONEY_RESERVE, a, MONEY_MAX + 1, T0), -ERR_LIMIT);
	assert_int_equal(add(f, MONEY_RESERVE, a, INT64_MAX, T0), -ERR_LIMIT);
	assert_int_equal(add(f, MONEY_SETTLE, a, INT64_MIN, T0), -ERR_LIMIT);
	assert_int_equal(add(f, MONEY_SETTLE, a, -MONEY_MAX - 1, T0), -ERR_LIMIT);
	assert_non_null(strstr(f->e.msg, "at most 1000000000 US dollars"));
	OK(f, add(f, MONEY_RESERVE, a, 0, T0));
	OK(f, add(f, MONEY_RESERVE, a, MONEY_MAX, T0));
	assert_sums(f, T0, a, MONEY_MAX, MONEY_MAX, MONEY_MAX);
	/* A day one micro-dollar below what can be counted takes that one, and no second. */
	db = raw_open(f);
	OK(f, db_script(db, "UPDATE money_days SET micro_usd = 9223372036854775806", &f->e));
	db_close(TAKE(db));
	OK(f, store_open(f->dir, &f->st, &f->e));
	OK(f, add(f, MONEY_RESERVE, b, 1, T0));
	assert_sums(f, T0, b, INT64_MAX, INT64_MAX, 1);
	assert_int_equal(add(f, MONEY_RESERVE, b, 1, T0), -ERR_LIMIT);
	assert_non_null(strstr(f->e.msg, "larger than can be counted"));
	assert_sums(f, T0, b, INT64_MAX, INT64_MAX, 1);
}

static void test_append_only(void **state)
{
	struct fixture *f = *state;
	static const char *const attacks[] = {
		"UPDATE money SET micro_usd = 1",
		"UPDATE money SET words = 'x' WHERE n = 1",
		"DELETE FROM money",
		"DELETE FROM money WHERE n = 1",
		("INSERT OR REPLACE INTO money (n, at_us, what, day, resource, micro_usd, words) "
		 "SELECT n, at_us, what, day, resource, 1, words FROM money"),
		"UPDATE OR REPLACE money SET n = 2",
	};
	OWN(db_closep) struct db *db = NULL;
	char a[ID_LEN];

	make_resource(f, "", a);
	OK(f, add(f, MONEY_RESERVE, a, 10, T0));
	db = raw_open(f);
	for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
		assert_true(db_script(db, attacks[i], &f->e) < 0);
		assert_non_null(strstr(f->e.msg, "the money ledger is append-only"));
	}
	assert_int_equal(raw_int(f, db, "SELECT sum(micro_usd) FROM money"), 10);
	assert_int_equal(raw_int(f, db, "SELECT count(*) FROM money"), 1);
}

static void test_rollback(void **state)
{
	struct fixture *f = *state;
	struct money_entry entry;
	OWN(db_closep) struct db *db = NULL;
	char a[ID_LEN];

	make_resource(f, "", a);
	entry = make_entry(MONEY_RESERVE, a, "", 10);
	BEGIN(f);
	OK(f, store_savepoint(f->st, &f->e));
	OK(f, store_money_add(f->st, &entry, T0, &f->e));
	store_rollback_to(f->st);
	COMMIT(f);
	assert_sums(f, T0, a, 0, 0, 0);
	BEGIN(f);
	OK(f, store_money_add(f->st, &entry, T0, &f->e));
	store_rollback(f->st);
	assert_sums(f, T0, a, 0, 0, 0);
	db = raw_open(f);
	assert_int_equal(raw_int(f, db, "SELECT count(*) FROM money"), 0);
}

/* Many resources with renewals over two months, settled in any order: the sums stay right. */
static void test_sums_agree_with_the_ledger(void **state)
{
	struct fixture *f = *state;
	OWN(db_closep) struct db *db = NULL;
	char ids[60][ID_LEN];
	int64_t reserved[60] = {0}, now = at("2024-01-25");
	unsigned seed = 7;

	for (int i = 0; i < 60; i++)
		make_resource(f, "", ids[i]);
	for (int step = 0; step < 300; step++) {
		int i = rand_r(&seed) % 60;
		int64_t amount = rand_r(&seed) % 1000000;

		now += (int64_t)(rand_r(&seed) % 36000) * USEC_PER_SEC;
		if (reserved[i] < 0)
			continue;
		if (rand_r(&seed) % 3) {
			OK(f, add(f, MONEY_RESERVE, ids[i], amount, now));
			reserved[i] += amount;
			continue;
		}
		OK(f, add(f, MONEY_SETTLE, ids[i], reserved[i] ? -(amount % reserved[i]) : 0, now));
		reserved[i] = -1;
	}
	db = raw_open(f);
	check_sums(f, db);
	assert_true(raw_int(f, db, "SELECT count(*) FROM money_days") > 20);
	assert_true(raw_int(f, db, "SELECT count(*) FROM resources WHERE settled_us > 0") > 10);
	assert_true(raw_int(f, db, "SELECT sum(open_micro_usd) FROM money_days") > 0);
}

/* Killed at any moment: whole entries only. */
static void test_kill(void **state)
{
	struct fixture *f = *state;
	OWN(db_closep) struct db *db = NULL;
	char a[ID_LEN], byte;
	int fds[2], status;
	pid_t pid;

	make_resource(f, "", a);
	store_close(f->st);
	f->st = NULL;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (store_open(f->dir, &f->st, &f->e) < 0)
			_exit(1);
		for (int i = 0;; i++)
			if (add(f, MONEY_RESERVE, a, 1 + i, T0 + i * INT64_C(3600000000)) < 0 ||
			    write(fds[1], "x", 1) != 1)
				_exit(1);
	}
	for (int i = 0; i < 20; i++)
		assert_int_equal(read(fds[0], &byte, 1), 1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	close(fds[0]);
	close(fds[1]);
	OK(f, store_open(f->dir, &f->st, &f->e));
	db = raw_open(f);
	check_sums(f, db);
	assert_true(raw_int(f, db, "SELECT count(*) FROM money") >= 20);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_reserve_and_settle),
		CASE(test_boundaries),
		CASE(test_settling_later_counts_where_it_was_reserved),
		CASE(test_less_is_reserved),
		CASE(test_settled_is_final),
		CASE(test_a_second_settlement_closes_nothing_again),
		CASE(test_limits),
		CASE(test_append_only),
		CASE(test_rollback),
		CASE(test_sums_agree_with_the_ledger),
		CASE(test_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
