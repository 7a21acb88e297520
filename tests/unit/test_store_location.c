/* SPDX-License-Identifier: MIT */
/* storage/: the data directory or a file in it is renamed, replaced or deleted while the store is
 * open; a database that is missing or empty where executions are; a damaged one. */
#include "tests/unit/store_fixture.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "base/tree.h"
#include "storage/db.h"
#include "storage/store_read.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *in(const char *dir, const char *name)
{
	static char paths[4][PATH_MAX];
	static int next;
	char *path = paths[next++ % 4];

	assert_true(path_join(path, PATH_MAX, dir, name));
	return path;
}

static void expect_misplaced(struct fixture *f, const char *words)
{
	assert_int_equal(store_check_location(f->st, &f->e), -ERR_UNAVAILABLE);
	if (!strstr(f->e.msg, words))
		fail_msg("'%s' does not have '%s'", f->e.msg, words);
}

static void test_renamed_directory(void **state)
{
	struct fixture *f = *state;
	struct store *second = NULL;
	char away[sizeof(f->dir) + 8];

	OK(f, store_check_location(f->st, &f->e));
	snprintf(away, sizeof(away), "%s.away", f->dir);
	assert_int_equal(rename(f->dir, away), 0);
	expect_misplaced(f, "was renamed or deleted while the daemon runs");
	assert_int_equal(mkdir(f->dir, 0700), 0);
	expect_misplaced(f, "was replaced by another");
	/* Another daemon begins neither at the old place nor, by the lock, at the new one. */
	assert_int_equal(store_open(f->dir, &second, &f->e), -ERR_EXISTS);
	assert_non_null(strstr(f->e.msg, "renamed or deleted"));
	assert_int_equal(store_open(away, &second, &f->e), -ERR_EXISTS);
	assert_int_equal(tree_remove(AT_FDCWD, f->dir, &f->e), 0);
	assert_int_equal(rename(away, f->dir), 0);
	OK(f, store_check_location(f->st, &f->e));
	insert_run(f, "one", 1, false, T0, NULL, NULL);
	fixture_reopen(f);
}

/* The name of the abstract socket that this process holds for its data directory. */
static void read_place(char *ret, size_t size)
{
	bool found = false;

	for (int fd = 3; fd < 256 && !found; fd++) {
		struct sockaddr_un address = {0};
		socklen_t len = sizeof(address) - 1;

		if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 ||
		    address.sun_family != AF_UNIX || address.sun_path[0])
			continue;
		found = str_starts(address.sun_path + 1, "trainyard-") &&
			str_copy(ret, size, address.sun_path + 1);
	}
	assert_true(found);
}

static bool take_name(const char *name, int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	str_must_copy(address.sun_path + 1, sizeof(address.sun_path) - 1, name);
	return bind(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))) == 0 &&
	       (type == SOCK_DGRAM || listen(fd, 1) == 0);
}

/* In a child of another user, until it is killed: the name as it was, and what it begins with. */
static pid_t squat(const char *name)
{
	char short_name[128];
	int ready[2];
	char byte;
	pid_t pid;

	str_must_copy(short_name, sizeof(short_name), name);
	*strrchr(short_name, '-') = '\0';
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (setgid(65534) < 0 || setuid(65534) < 0 || !take_name(name, SOCK_STREAM) ||
		    !take_name(name, SOCK_DGRAM) || !take_name(short_name, SOCK_STREAM) ||
		    write(ready[1], "y", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void test_another_user_cannot_take_the_place(void **state)
{
	struct fixture *f = *state;
	char name[128];
	pid_t pid;
	int r;

	if (geteuid() != 0)
		skip(); /* needs root to become another user */
	read_place(name, sizeof(name));
	store_close(f->st);
	f->st = NULL;
	pid = squat(name);
	r = store_open(f->dir, &f->st, &f->e);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	OK(f, r);
}

static void test_replaced_file(void **state)
{
	static const char *const names[] = {STORE_FILE, STORE_FILE "-wal", STORE_LOCK_FILE};
	struct fixture *f = *state;

	insert_run(f, "one", 1, false, T0, NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *path = in(f->dir, names[i]), *away = in(f->dir, "away");

		assert_int_equal(rename(path, away), 0);
		expect_misplaced(f, names[i]);
		OK(f, file_write_atomic(AT_FDCWD, path, "", 0, 0600, &f->e));
		expect_misplaced(f, names[i]);
		assert_int_equal(rename(away, path), 0);
		OK(f, store_check_location(f->st, &f->e));
	}
}

static void lose(struct fixture *f)
{
	store_close(f->st);
	f->st = NULL;
	assert_int_equal(unlink(in(f->dir, STORE_FILE)), 0);
}

static void expect_not_begun(struct fixture *f, const char *words)
{
	assert_int_equal(store_open(f->dir, &f->st, &f->e), -ERR_CORRUPT);
	assert_null(f->st);
	if (!strstr(f->e.msg, words))
		fail_msg("'%s' does not have '%s'", f->e.msg, words);
}

static void test_missing_database_is_not_begun_anew(void **state)
{
	struct fixture *f = *state;
	struct db *db = NULL;

	lose(f);
	OK(f, dir_make(AT_FDCWD, in(f->dir, "executions/x1"), 0700, &f->e));
	expect_not_begun(f, "restore it from a backup");
	assert_false(path_exists(AT_FDCWD, in(f->dir, STORE_FILE)));
	OK(f, file_write_atomic(AT_FDCWD, in(f->dir, STORE_FILE), "", 0, 0600, &f->e));
	expect_not_begun(f, "missing or empty");
	/* A database, but with nothing in it. */
	OK(f, db_open(in(f->dir, STORE_FILE), DB_WRITER, &db, &f->e));
	db_close(db);
	expect_not_begun(f, "missing or empty");
	assert_int_equal(rename(in(f->dir, "executions"), in(f->dir, "executions.old")), 0);
	OK(f, store_open(f->dir, &f->st, &f->e));
}

static void test_log_without_its_database_is_not_dropped(void **state)
{
	struct fixture *f = *state;

	lose(f);
	OK(f, file_write_atomic(AT_FDCWD, in(f->dir, STORE_FILE "-wal"), "frames", 6, 0600, &f->e));
	expect_not_begun(f, STORE_FILE "-wal belongs to a database that is missing");
	assert_int_equal(unlink(in(f->dir, STORE_FILE "-wal")), 0);
	OK(f, dir_make(AT_FDCWD, in(f->dir, "executions"), 0700, &f->e)); /* empty: nothing lost */
	OK(f, store_open(f->dir, &f->st, &f->e));
}

static void test_quick_check(void **state)
{
	struct fixture *f = *state;
	struct store_reader *sr = NULL;
	OWN(closep) int fd = -1;
	char garbage[4096];
	struct stat st;

	for (int i = 0; i < 50; i++)
		insert_run(f, "one", 10, false, T0, NULL, NULL);
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_reader_check(sr, &f->e));
	store_reader_close(sr);
	store_close(f->st);
	f->st = NULL;
	fd = open(in(f->dir, STORE_FILE), O_RDWR | O_CLOEXEC);
	memset(garbage, 'x', sizeof(garbage));
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pwrite(fd, garbage, sizeof(garbage), st.st_size / 4096 / 2 * 4096), 4096);
	OK(f, store_open(f->dir, &f->st, &f->e));
	OK(f, store_reader_open(f->dir, &sr, &f->e));
	assert_int_equal(store_reader_check(sr, &f->e), -ERR_CORRUPT);
	assert_non_null(strstr(f->e.msg, "restore a backup"));
	store_reader_close(sr);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_renamed_directory),
		CASE(test_another_user_cannot_take_the_place),
		CASE(test_replaced_file),
		CASE(test_missing_database_is_not_begun_anew),
		CASE(test_log_without_its_database_is_not_dropped),
		CASE(test_quick_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
