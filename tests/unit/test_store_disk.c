/* SPDX-License-Identifier: MIT */
/* A full disk: the reserve, the refusal, and the transaction that is lost. */
#include "tests/unit/store_fixture.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/reserve.h"
#include "storage/store_read.h"

#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static bool write_text(const char *path, const char *text)
{
	OWN(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* As a plain user: in a user namespace in which nobody changes; a file system there takes no files
 * of a user that it does not know. */
static bool unshare_mounts(void)
{
	char uid[64], gid[64];

	snprintf(uid, sizeof(uid), "%u %u 1\n", geteuid(), geteuid());
	snprintf(gid, sizeof(gid), "%u %u 1\n", getegid(), getegid());
	if (unshare(CLONE_NEWNS) == 0)
		return true;
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	       write_text("/proc/self/setgroups", "deny") &&
	       write_text("/proc/self/uid_map", uid) && write_text("/proc/self/gid_map", gid);
}

/* A disk of `bytes` at f->dir, with a new store on it; false when we may not mount. */
static bool small_disk(struct fixture *f, int bytes)
{
	char options[64];

	fixture_close(f);
	snprintf(options, sizeof(options), "size=%d,mode=700", bytes);
	if (!unshare_mounts())
		return false;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", f->dir, "tmpfs", 0, options) < 0)
		return false;
	OK(f, store_open(f->dir, &f->st, &f->e));
	return true;
}

static int64_t size_of(struct fixture *f, const char *name)
{
	struct stat st;

	assert_int_equal(stat(fixture_path(f, name), &st), 0);
	return st.st_blocks * 512;
}

static int64_t reserve_size(struct fixture *f)
{
	return size_of(f, STORE_RESERVE_FILE);
}

static bool use_last; /* True if try_run() asks for the last reserve */

static int try_run(struct fixture *f, size_t jobs, size_t spec_bytes)
{
	struct run_spec *rs = make_run("big", jobs, false);
	char run[ID_LEN];
	int r;

	id_new('r', run);
	for (size_t i = 0; i < jobs; i++) {
		OWN(freep) char *text = calloc(1, spec_bytes + 1);

		memset(text, 'x', spec_bytes);
		json_object_set_new(rs->jobs[i].spec, "text", json_string(text));
	}
	BEGIN(f);
	if (use_last)
		store_use_last_reserve(f->st);
	r = store_run_insert(f->st, rs, run, T0, NULL, &f->e);
	if (r < 0)
		store_rollback(f->st);
	else
		r = store_commit(f->st, &f->e);
	free_run(rs);
	return r;
}

static int64_t count_runs(struct fixture *f)
{
	struct store_reader *sr = NULL;
	json_t *counts = NULL;
	int64_t n;

	OK(f, store_reader_open(f->dir, &sr, &f->e));
	OK(f, store_read_counts(sr, &counts, &f->e));
	n = json_get_int(json_object_get(counts, "runs"), "queued", -1);
	json_decref(counts);
	store_reader_close(sr);
	return n;
}

static void test_disk_full(void **state)
{
	struct fixture *f = *state;
	int done = 0, with_reserve = 0, r = 0;
	OWN(closep) int ballast = -1;
	int64_t seq;

	if (!small_disk(f, 12 << 20)) {
		print_message("skipped: mounting a small disk is not permitted here\n");
		OK(f, store_open(f->dir, &f->st, &f->e));
		skip();
	}
	assert_int_equal(reserve_size(f), STORE_RESERVE_BYTES);
	ballast = open(fixture_path(f, "ballast"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(posix_fallocate(ballast, 0, 4 << 20), 0);
	while (done < 10000 && (r = try_run(f, 1, 4000)) >= 0) {
		done++;
		with_reserve += reserve_size(f) > 0;
	}
	assert_int_equal(r, -ENOSPC);
	assert_string_equal(f->e.msg, "the disk with the database is full; free some space");
	assert_int_equal(reserve_size(f), 0);
	assert_true(with_reserve > 0);
	assert_true(done - with_reserve > 200); /* written after the disk was full */
	assert_int_equal(count_runs(f), done);
	seq = store_last_seq(f->st);
	assert_int_equal(seq, 2 * done);
	/* The failing transaction left nothing behind, also when it fails half-way. */
	assert_int_equal(try_run(f, 200, 16000), -ENOSPC);
	assert_int_equal(store_last_seq(f->st), seq);
	/* The last reserve is only for transactions that ask for it. */
	assert_int_equal(size_of(f, STORE_LAST_RESERVE_FILE), STORE_LAST_RESERVE_BYTES);
	use_last = true;
	OK(f, try_run(f, 1, 4000));
	use_last = false;
	done++;
	assert_int_equal(size_of(f, STORE_LAST_RESERVE_FILE), 0);
	assert_int_equal(ftruncate(ballast, 0), 0);
	OK(f, try_run(f, 1, 4000));
	assert_int_equal(count_runs(f), done + 1);
	fixture_reopen(f);
	assert_int_equal(count_runs(f), done + 1);
	fixture_close(f);
	assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
}

static void test_lost_transaction(void **state)
{
	struct fixture *f = *state;
	char ids[1][ID_LEN];

	if (!small_disk(f, 9 << 20)) {
		print_message("skipped: mounting a small disk is not permitted here\n");
		OK(f, store_open(f->dir, &f->st, &f->e));
		skip();
	}
	insert_run(f, "one", 1, false, T0, NULL, ids);
	struct run_spec *rs = make_run("big", 256, false);
	static char text[120001]; /* 30 MB: more than the page cache and the disk hold */
	memset(text, 'x', sizeof(text) - 1);
	for (size_t i = 0; i < 256; i++)
		json_object_set_new(rs->jobs[i].spec, "text", json_string(text));
	BEGIN(f);
	OK(f, store_savepoint(f->st, &f->e));
	assert_int_equal(store_run_insert(f->st, rs, "r0", T0, NULL, &f->e), -ENOSPC);
	store_rollback_to(f->st);
	/* Whatever SQLite kept of it, nothing more can be written in this transaction. */
	assert_int_equal(store_job_set_held(f->st, ids[0], true, T0, &f->e), -ENOSPC);
	assert_int_equal(store_savepoint(f->st, &f->e), -ENOSPC);
	assert_int_equal(store_commit(f->st, &f->e), -ENOSPC);
	BEGIN(f);
	OK(f, store_job_set_held(f->st, ids[0], true, T0, &f->e));
	COMMIT(f);
	assert_int_equal(count_runs(f), 1);
	free_run(rs);
	fixture_close(f);
	assert_int_equal(umount2(f->dir, MNT_DETACH), 0);
}

static void test_reserve_comes_back(void **state)
{
	struct fixture *f = *state;
	struct reserve rv;

	fixture_close(f);
	OK(f, reserve_open(f->dir, STORE_RESERVE_FILE, STORE_RESERVE_BYTES, &rv, &f->e));
	assert_int_equal(reserve_size(f), STORE_RESERVE_BYTES);
	assert_true(reserve_give_up(&rv));
	assert_false(reserve_give_up(&rv));
	assert_int_equal(reserve_size(f), 0);
	assert_false(reserve_renew(&rv)); /* too soon */
	assert_int_equal(reserve_size(f), 0);
	rv.next_try_us = 0;
	assert_true(reserve_renew(&rv));
	assert_int_equal(reserve_size(f), STORE_RESERVE_BYTES);
	assert_true(reserve_give_up(&rv));
	reserve_close(&rv);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_reserve_comes_back),
		CASE(test_disk_full),
		CASE(test_lost_transaction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
