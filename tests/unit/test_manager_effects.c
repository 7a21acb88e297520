/* SPDX-License-Identifier: MIT */
/* daemon/txn and daemon/mailbox: what a transaction sets off happens after its commit and once;
 * commands that were queued before a stop are answered. */
#include "tests/unit/manager_commit.h"

#include "base/fileio.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

static int is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.'; /* the trash is no execution */
}

static int count_entries(const char *data, const char *folder)
{
	char path[PATH_MAX];
	struct dirent **names;
	int n;

	path_join(path, sizeof(path), data, folder);
	n = scandir(path, &names, is_shown, NULL);
	for (int i = 0; i < n; i++)
		free(names[i]);
	if (n > 0)
		free(names);
	return n < 0 ? 0 : n;
}

/* The start of a job that is not committed starts no process, and leaves no directory. */
static void test_failed_commit_of_a_start_starts_nothing(void **state)
{
	static const char break_starts[] = "CREATE TABLE never (n INTEGER PRIMARY KEY);"
					   "CREATE TABLE broken (n INTEGER REFERENCES never (n) "
					   "DEFERRABLE INITIALLY DEFERRED);"
					   "CREATE TRIGGER breaks AFTER INSERT ON executions BEGIN "
					   "INSERT INTO broken VALUES (1); END;";
	struct rig *rig = *state;
	char job[ID_LEN], run[ID_LEN];

	set_up(rig, job);
	script(rig, break_starts);
	rig_run(rig);
	rig_submit(rig, rig_script(rig, "starts", "ok", ""), run);
	wait_until(failed_turns(rig) >= 2); /* it is tried again */
	rig_stop(rig);
	assert_int_equal(count_entries(rig->data, "executions"), 0);
	rig_open(rig);
	script(rig, mend_commits);
	rig_run(rig);
	assert_int_equal(rig_wait(rig, run, "starts", "succeeded").attempt, 1);
	assert_int_equal(count_entries(rig->data, "executions"), 1);
}

static void count_call(struct manager *mgr, void *arg, bool committed)
{
	assert_true(committed);
	++*(int *)arg;
}

static void publish_twice(struct manager *mgr, void *userdata)
{
	int *calls = userdata;
	struct err e;

	assert_int_equal(txn_begin(mgr, &e), 0);
	txn_before_publish(mgr, count_call, &calls[0]);
	txn_before_publish(mgr, count_call, &calls[1]);
	txn_before_publish(mgr, count_call, &calls[0]);
	assert_int_equal(txn_end(mgr, &e), 0);
}

/* An early action is the function with its argument. */
static void test_repeated_early_actions_run_once(void **state)
{
	int calls[2] = {0};

	rig_look(*state, publish_twice, calls);
	assert_int_equal(calls[0], 1);
	assert_int_equal(calls[1], 1);
}

struct last_minute {
	struct rig *rig;
	struct command c[MANAGER_BATCH_MAX + 1]; /* one more than a round of the loop runs */
	sem_t done;
};

static void queue_and_stop(struct manager *mgr, void *userdata)
{
	struct last_minute *l = userdata;

	for (size_t i = 0; i < ARRAY_LEN(l->c); i++)
		rig_queue(l->rig, &l->c[i], &l->done);
	sd_event_exit(mgr->loop, 0);
}

static void test_commands_before_a_stop_are_answered(void **state)
{
	static struct last_minute l;

	l = (struct last_minute){.rig = *state};
	sem_init(&l.done, 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(l.c); i++) {
		l.c[i].kind = COMMAND_JOB_CANCEL;
		str_must_copy(l.c[i].id, sizeof(l.c[i].id), "j0");
	}
	rig_look(l.rig, queue_and_stop, &l);
	for (size_t i = 0; i < ARRAY_LEN(l.c); i++) {
		rig_wait_done(&l.done);
		assert_int_equal(l.c[i].result, -ERR_NOT_FOUND);
	}
	sem_destroy(&l.done);
}

/* A pass that fails in its middle stores nothing: the attempt is written before the job's state. */
static void test_failed_pass_stores_nothing(void **state)
{
	static const char refuse_starts[] =
		"CREATE TRIGGER refuses BEFORE UPDATE ON jobs WHEN NEW.state = 'starting' "
		"BEGIN SELECT RAISE(ABORT, 'refused here'); END;";
	struct rig *rig = *state;
	char job[ID_LEN], run[ID_LEN];
	int64_t attempts = -1;

	set_up(rig, job);
	script(rig, refuse_starts);
	rig_run(rig);
	rig_submit(rig, rig_script(rig, "starts", "ok", ""), run);
	wait_until(failed_turns(rig) >= 2);
	rig_stop(rig);
	rig_open(rig);
	assert_int_equal(db_get_int(rig->manager->store->db, "SELECT count(*) FROM attempts", NULL,
				    0, -1, &attempts, NULL),
			 0);
	assert_int_equal(attempts, 0);
	script(rig, "DROP TRIGGER refuses");
	rig_run(rig);
	assert_int_equal(rig_wait(rig, run, "starts", "succeeded").attempt, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_failed_commit_of_a_start_starts_nothing,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_repeated_early_actions_run_once, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_commands_before_a_stop_are_answered, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_failed_pass_stores_nothing, rig_setup,
						rig_teardown),
	};

	rig_block_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
