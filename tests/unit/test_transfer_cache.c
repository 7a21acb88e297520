/* SPDX-License-Identifier: MIT */
/* The content-keyed cache of transfer: what goes, what stays, and what a killed process
 * leaves. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "base/tree.h"
#include "tests/unit/scratch.h"
#include "transfer/cache.h"
#include "transfer/cache_tree.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define FILE_BYTES (256 << 10)
#define ROOM	   (3 * FILE_BYTES + FILE_BYTES / 2) /* three entries and no fourth */

static char root[64], dir[80];
static volatile sig_atomic_t stop;
static int taken;

static int make(void **state)
{
	struct err e;

	scratch_make(root, sizeof(root), "cache");
	stop = 0;
	snprintf(dir, sizeof(dir), "%s/cache", root);
	return cache_open(dir, ROOM, (struct cache **)state, &e);
}

static int clear(void **state)
{
	struct err e;

	cache_close(*state);
	return tree_remove(AT_FDCWD, root, &e);
}

static const char *key(char c)
{
	static char text[CACHE_KEY_LEN];

	memset(text, c, CACHE_KEY_LEN - 1);
	return text;
}

static void write_file(const char *folder, const char *name)
{
	char path[PATH_MAX], *bytes = malloc(FILE_BYTES);
	int fd;

	assert_true(path_join(path, sizeof(path), folder, name));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0 && bytes);
	memset(bytes, name[0], FILE_BYTES);
	assert_int_equal(fd_write_all(fd, bytes, FILE_BYTES), 0);
	close(fd);
	free(bytes);
}

/* When an entry was last used: seconds since the epoch. */
static void set_used(char c, int64_t seconds)
{
	const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
	char path[PATH_MAX];

	assert_true(path_join(path, sizeof(path), dir, key(c)));
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void put(struct cache *c, char name)
{
	struct cache_fill fill;
	struct err e = {0};
	char file[2] = {name, 0};

	assert_int_equal(cache_begin(c, key(name), &stop, &fill, &e), 0);
	write_file(fill.path, file);
	assert_int_equal(cache_commit(c, &fill, &e), 0);
}

static bool has(char c)
{
	char path[PATH_MAX];

	return path_join(path, sizeof(path), dir, key(c)) && path_exists(AT_FDCWD, path);
}

/* The path of what was taken; static. */
static const char *take(struct cache *c, char name)
{
	static char into[PATH_MAX];
	struct err e = {0};

	snprintf(into, sizeof(into), "%s/taken%d", root, taken++);
	return cache_take(c, key(name), into, &e) == 0 ? into : NULL;
}

static void test_least_used_goes_first(void **state)
{
	struct cache *c = *state;

	put(c, 'a'), put(c, 'b'), put(c, 'c');
	set_used('a', 2000), set_used('b', 1000), set_used('c', 3000);
	put(c, 'd');
	assert_true(has('a') && has('c') && has('d'));
	assert_false(has('b'));
}

static void test_taking_counts_as_use(void **state)
{
	struct cache *c = *state;
	struct err e = {0};

	put(c, 'a'), put(c, 'b'), put(c, 'c');
	set_used('a', 1000), set_used('b', 2000), set_used('c', 3000);
	assert_int_equal(tree_remove(AT_FDCWD, take(c, 'a'), &e), 0);
	put(c, 'd');
	assert_true(has('a') && has('c') && has('d'));
	assert_false(has('b'));
}

static void test_what_is_linked_stays(void **state)
{
	struct cache *c = *state;
	struct err e = {0};
	char used[PATH_MAX];

	put(c, 'a'), put(c, 'b'), put(c, 'c');
	set_used('a', 1000), set_used('b', 2000), set_used('c', 3000);
	str_must_copy(used, sizeof(used), take(c, 'a'));
	set_used('a', 1000);
	put(c, 'd');
	assert_true(has('a') && !has('b'));
	assert_int_equal(tree_remove(AT_FDCWD, used, &e), 0);
	put(c, 'e');
	assert_false(has('a'));
}

static void test_the_newest_stays_even_if_it_is_too_large(void **state)
{
	struct cache *c = *state;
	struct cache_fill fill;
	struct err e = {0};

	put(c, 'a');
	assert_int_equal(cache_begin(c, key('f'), &stop, &fill, &e), 0);
	for (char name[2] = "0"; name[0] < '5'; name[0]++)
		write_file(fill.path, name);
	assert_int_equal(cache_commit(c, &fill, &e), 0);
	assert_true(has('f') && !has('a'));
}

static void test_links_share_the_bytes(void **state)
{
	struct cache *c = *state;
	char path[PATH_MAX];
	struct stat st;
	const char *into;

	put(c, 'a');
	into = take(c, 'a');
	assert_non_null(into);
	assert_true(path_join(path, sizeof(path), into, "a"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(st.st_mode & 0222, 0);
	assert_int_equal(st.st_size, FILE_BYTES);
	assert_null(take(c, 'b'));
}

static void test_folders_are_kept(void **state)
{
	struct cache *c = *state;
	struct cache_fill fill;
	struct err e = {0};
	char path[PATH_MAX];

	assert_int_equal(cache_begin(c, key('a'), &stop, &fill, &e), 0);
	assert_true(path_join(path, sizeof(path), fill.path, "x/y"));
	assert_int_equal(dir_make(AT_FDCWD, path, 0755, &e), 0);
	write_file(path, "z");
	assert_int_equal(cache_commit(c, &fill, &e), 0);
	assert_true(path_join(path, sizeof(path), take(c, 'a'), "x/y/z"));
	assert_true(path_exists(AT_FDCWD, path));
}

static void test_links_and_pipes_are_no_entry(void **state)
{
	struct cache *c = *state;
	struct cache_fill fill;
	struct err e = {0};
	char path[PATH_MAX];

	assert_int_equal(cache_begin(c, key('a'), &stop, &fill, &e), 0);
	assert_true(path_join(path, sizeof(path), fill.path, "link"));
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(cache_commit(c, &fill, &e), -ERR_CORRUPT);
	assert_false(has('a'));
}

static void test_changed_entry_is_dropped(void **state)
{
	struct cache *c = *state;
	char path[PATH_MAX];
	int fd;

	put(c, 'a');
	assert_true(path_join(path, sizeof(path), take(c, 'a'), "a"));
	assert_int_equal(chmod(path, 0644), 0);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_null(take(c, 'a'));
	assert_false(has('a'));
	put(c, 'a');
	assert_non_null(take(c, 'a'));
}

/* A process that is killed while it fills: its bytes are there for the next one. */
static void test_killed_filler(void **state)
{
	struct cache *c = *state;
	struct cache_fill fill;
	struct err e = {0};
	char path[PATH_MAX];
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (cache_begin(c, key('a'), &stop, &fill, &e) == 0)
			write_file(fill.path, "half");
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(cache_begin(c, key('a'), &stop, &fill, &e), 0);
	assert_true(path_join(path, sizeof(path), fill.path, "half"));
	assert_true(path_exists(AT_FDCWD, path));
	assert_int_equal(cache_commit(c, &fill, &e), 0);
	assert_non_null(take(c, 'a'));
}

static void test_forgotten_partials_are_evicted(void **state)
{
	const struct timespec old[2] = {{.tv_sec = 500}, {.tv_sec = 500}};
	struct cache *c = *state;
	struct cache_fill left, held;
	struct err e = {0};

	assert_int_equal(cache_begin(c, key('1'), &stop, &left, &e), 0);
	write_file(left.path, "x");
	cache_leave(c, &left);
	assert_int_equal(utimensat(AT_FDCWD, left.path, old, 0), 0);
	assert_int_equal(cache_begin(c, key('2'), &stop, &held, &e), 0);
	write_file(held.path, "x");
	assert_int_equal(utimensat(AT_FDCWD, held.path, old, 0), 0);
	put(c, 'a'), put(c, 'b');
	assert_false(path_exists(AT_FDCWD, left.path));
	assert_true(path_exists(AT_FDCWD, held.path));
	cache_leave(c, &held);
}

/* What an eviction that was killed left behind goes at the next opening. */
static void test_gone_is_cleared(void **state)
{
	char path[PATH_MAX];
	struct cache *again;
	struct err e = {0};

	assert_true(path_join(path, sizeof(path), dir, "gone/g1"));
	assert_int_equal(dir_make(AT_FDCWD, path, 0755, &e), 0);
	write_file(path, "x");
	assert_int_equal(cache_open(dir, ROOM, &again, &e), 0);
	assert_false(path_exists(AT_FDCWD, path));
	cache_close(again);
}

static void *second_filler(void *arg)
{
	struct cache_fill fill;
	struct cache *c;
	struct err e = {0};
	int *r = arg;

	*r = cache_open(dir, ROOM, &c, &e);
	if (*r < 0)
		return NULL;
	*r = cache_begin(c, key('a'), &stop, &fill, &e);
	cache_close(c);
	return NULL;
}

static void test_second_filler_waits_and_finds_it(void **state)
{
	struct cache *c = *state;
	struct cache_fill fill;
	struct err e = {0};
	pthread_t thread;
	int r = -1;

	assert_int_equal(cache_begin(c, key('a'), &stop, &fill, &e), 0);
	assert_int_equal(pthread_create(&thread, NULL, second_filler, &r), 0);
	write_file(fill.path, "a");
	assert_int_equal(cache_commit(c, &fill, &e), 0);
	pthread_join(thread, NULL);
	assert_int_equal(r, 1);
}

static void test_waiting_stops(void **state)
{
	struct cache *c = *state;
	struct cache_fill fill;
	struct err e = {0};
	pthread_t thread;
	int r = -1;

	assert_int_equal(cache_begin(c, key('a'), &stop, &fill, &e), 0);
	stop = 1;
	assert_int_equal(pthread_create(&thread, NULL, second_filler, &r), 0);
	pthread_join(thread, NULL);
	assert_int_equal(r, -ERR_CANCELLED);
	cache_leave(c, &fill);
}

static void test_keys_are_hashes(void **state)
{
	struct cache_fill fill;
	struct err e = {0};

	assert_int_equal(cache_begin(*state, "../../x", &stop, &fill, &e), -ERR_INVALID);
	assert_int_equal(cache_begin(*state, "", &stop, &fill, &e), -ERR_INVALID);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, make, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_least_used_goes_first),
		T(test_taking_counts_as_use),
		T(test_what_is_linked_stays),
		T(test_the_newest_stays_even_if_it_is_too_large),
		T(test_links_share_the_bytes),
		T(test_folders_are_kept),
		T(test_links_and_pipes_are_no_entry),
		T(test_changed_entry_is_dropped),
		T(test_killed_filler),
		T(test_forgotten_partials_are_evicted),
		T(test_gone_is_cleared),
		T(test_second_filler_waits_and_finds_it),
		T(test_waiting_stops),
		T(test_keys_are_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
