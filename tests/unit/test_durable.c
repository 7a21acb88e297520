/* SPDX-License-Identifier: MIT */
/* What must survive a power loss: the file is synced before it gets its name, and then the
 * directory that holds the name. The calls themselves are looked at (sync_trace.h). */
#include "tests/unit/store_fixture.h"
#include "tests/unit/sync_trace.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "shim/record.h"
#include "storage/db.h"
#include "storage/migrate.h"
#include "transfer/cache.h"
#include "transfer/s3/download.h"

#include <limits.h>
#include <string.h>

#ifdef TRAINYARD_NATIVE
#include "worker/model/safetensors.h"
#endif

static const char *below(struct fixture *f, const char *name)
{
	static char path[PATH_MAX];

	assert_true(path_join(path, sizeof(path), f->dir, name));
	return path;
}

/* The notes have these lines in this order; others may be between them. */
static void expect_in_order(const char *const *lines)
{
	const char *at = trace_text();

	for (; *lines; lines++) {
		const char *found = strstr(at, *lines);

		if (!found)
			fail_msg("no '%s' in its place of:\n%s", *lines, trace_text());
		at = found + strlen(*lines);
	}
}

static void test_atomic_file(void **state)
{
	static const char *const calls[] = {"sync note.tmp\n", "rename note.tmp note\n",
					    "sync DIR/\n", NULL};
	struct fixture *f = *state;

	trace_clear();
	OK(f, file_write_atomic(AT_FDCWD, below(f, "note"), "x", 1, 0600, &f->e));
	expect_in_order(calls);
}

static void test_unsynced_file(void **state)
{
	struct fixture *f = *state;

	trace_clear();
	OK(f, file_write_unsynced(AT_FDCWD, below(f, "note"), "x", 1, 0600, &f->e));
	assert_string_equal(trace_text(), "rename note.tmp note\n");
}

static void test_exit_record(void **state)
{
	static const char *const calls[] = {
		"sync exit.json.tmp\n", "rename exit.json.tmp exit.json\n", "sync DIR/\n", NULL};
	struct fixture *f = *state;
	struct exit_record rec = {.cause = EXIT_EXITED};
	OWN(closep) int dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	OWN(closep) int fd = -1;

	OK(f, record_reserve(dirfd, &fd, &f->e));
	trace_clear();
	OK(f, record_write(dirfd, fd, &rec, &f->e));
	expect_in_order(calls);
}

/* A model or data set that was fetched: each file and folder of it, then its name. */
static void test_fetched_entry(void **state)
{
	struct fixture *f = *state;
	struct cache_fill fill;
	static const volatile sig_atomic_t never = 0;
	struct cache *c = NULL;
	char key[CACHE_KEY_LEN], path[PATH_MAX], name[sizeof(key) + 32];
	const char *calls[] = {"sync weights\n", "sync DIR/\n", name, "sync DIR/\n", NULL};

	memset(key, 'a', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	snprintf(name, sizeof(name), " %s\n", key); /* the end of the rename's line */
	OK(f, cache_open(below(f, "cache"), 1 << 20, &c, &f->e));
	OK(f, cache_begin(c, key, &never, &fill, &f->e));
	assert_true(path_join(path, sizeof(path), fill.path, "weights"));
	OK(f, file_write_atomic(AT_FDCWD, path, "w", 1, 0600, &f->e));
	trace_clear();
	OK(f, cache_commit(c, &fill, &f->e));
	expect_in_order(calls);
	cache_close(c);
}

/* As the hub's cache names a download, and a link of a snapshot. */
static void test_a_name_for_good(void **state)
{
	static const char *const file[] = {"sync blob.part\n", "rename blob.part blob\n",
					   "sync DIR/\n", NULL};
	static const char *const symbolic[] = {"rename blob link\n", "sync DIR/\n", NULL};
	struct fixture *f = *state;
	char from[PATH_MAX], to[PATH_MAX];
	OWN(closep) int fd = -1;

	str_must_copy(from, sizeof(from), below(f, "blob.part"));
	str_must_copy(to, sizeof(to), below(f, "blob"));
	fd = open(from, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	trace_clear();
	OK(f, file_name_durably(fd, from, to, &f->e));
	expect_in_order(file);
	trace_clear();
	OK(f, file_name_durably(-1, to, below(f, "link"), &f->e));
	expect_in_order(symbolic);
}

/* Objects of S3 into a folder of the user: all names, then each directory and those above. */
static void test_downloads_into_a_folder(void **state)
{
	static const char *const calls[] = {"sync one.part\n",
					    "rename one.part one\n",
					    "sync two.part\n",
					    "rename two.part two\n",
					    "sync three.part\n",
					    "rename three.part three\n",
					    "sync DIR/\nsync DIR/\nsync DIR/\n",
					    NULL};
	static const char *const names[] = {"out/one", "out/two", "out/deep/three"};
	struct fixture *f = *state;
	struct s3_source src = {.durable = true};
	char part[PATH_MAX + 8];

	OK(f, dir_make(AT_FDCWD, below(f, "out/deep"), 0700, &f->e));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(part, sizeof(part), "%s.part", below(f, names[i]));
		src.unsynced[i].fd = open(part, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(src.unsynced[i].fd >= 0);
		src.unsynced[i].from = strdup(part);
		src.unsynced[i].to = strdup(below(f, names[i]));
		src.unsynced_n++;
	}
	trace_clear();
	OK(f, download_settle(&src, &f->e));
	expect_in_order(calls);
	assert_int_equal(src.unsynced_n, 0);
}

/* Its bytes may be lost: it does not get its name, and the part stays for another try. */
static void test_a_download_that_cannot_be_synced(void **state)
{
	struct fixture *f = *state;
	struct s3_source src = {.durable = true};
	char part[PATH_MAX];

	str_must_copy(part, sizeof(part), below(f, "one.part"));
	close(open(part, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	src.unsynced[0].fd = open(part, O_PATH | O_CLOEXEC); /* fdatasync(2) refuses it */
	assert_true(src.unsynced[0].fd >= 0);
	src.unsynced[0].from = strdup(part);
	src.unsynced[0].to = strdup(below(f, "one"));
	src.unsynced_n = 1;
	assert_true(download_settle(&src, &f->e) < 0);
	assert_false(path_exists(AT_FDCWD, below(f, "one")));
	assert_true(path_exists(AT_FDCWD, part));
}

/* synchronous=FULL: each commit is synced in the log before it is answered. */
static void test_commit(void **state)
{
	struct fixture *f = *state;

	insert_run(f, "one", 1, false, T0, NULL, NULL);
	for (int i = 0; i < 3; i++) {
		trace_clear();
		insert_run(f, "one", 1, false, T0, NULL, NULL);
		assert_non_null(strstr(trace_text(), "sync " STORE_FILE "-wal\n"));
	}
}

static void test_copy_before_an_upgrade(void **state)
{
	struct fixture *f = *state;
	struct migration list[64];
	OWN(db_closep) struct db *db = NULL;
	char copy[64], tmp[80], renamed[160], path[PATH_MAX];
	/* SQLite syncs the directory, too, but later: with its new log */
	const char *calls[] = {tmp, renamed, "sync " STORE_FILE "-wal\n", NULL};
	size_t n = migrations_n;

	store_close(f->st);
	f->st = NULL;
	memcpy(list, migrations, n * sizeof(*list));
	list[n] = (struct migration){(int)n + 1, "next", "CREATE TABLE next (n INTEGER);"};
	n++;
	snprintf(copy, sizeof(copy), STORE_FILE ".before-v%zu", n);
	snprintf(tmp, sizeof(tmp), "sync %s.tmp\n", copy);
	snprintf(renamed, sizeof(renamed), "rename %s.tmp %s\nsync DIR/\n", copy, copy);
	str_must_copy(path, sizeof(path), below(f, STORE_FILE));
	OK(f, db_open(path, DB_WRITER, &db, &f->e));
	trace_clear();
	OK(f, migrate(db, path, list, n, &f->e));
	expect_in_order(calls);
}

#ifdef TRAINYARD_NATIVE
static int fill_zero(void *ctx, size_t index, void *to, struct err *reterr)
{
	memset(to, 0, 4);
	return 0;
}

static void test_weights(void **state)
{
	static const char *const calls[] = {"sync model.safetensors.tmp\n",
					    "rename model.safetensors.tmp model.safetensors\n",
					    "sync DIR/\n", NULL};
	struct fixture *f = *state;
	struct st_source source = {
		.name = "w", .dtype = ST_F32, .dims = 1, .shape = {1}, .fill = fill_zero};

	trace_clear();
	OK(f, safetensors_write(below(f, "model.safetensors"), &source, 1, &f->e));
	expect_in_order(calls);
}
#endif

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_atomic_file),
		CASE(test_unsynced_file),
		CASE(test_exit_record),
		CASE(test_fetched_entry),
		CASE(test_a_name_for_good),
		CASE(test_downloads_into_a_folder),
		CASE(test_a_download_that_cannot_be_synced),
		CASE(test_commit),
		CASE(test_copy_before_an_upgrade),
#ifdef TRAINYARD_NATIVE
		CASE(test_weights),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
