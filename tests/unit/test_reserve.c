/* SPDX-License-Identifier: MIT */
/* storage/reserve on a disk that is nearly full: the two calls that ask the disk answer as told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/reserve.h"
#include "storage/store.h"
#include "tests/unit/scratch.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define BLOCK 4096

static uint64_t free_blocks; /* what fstatvfs() reports */
static bool has_room;	     /* false: posix_fallocate() allocates one block and fails */

int posix_fallocate(int fd, off_t at, off_t len)
{
	return ftruncate(fd, has_room ? at + len : BLOCK) < 0 ? errno : has_room ? 0 : ENOSPC;
}

int fstatvfs(int fd, struct statvfs *ret)
{
	(void)fd;
	*ret = (struct statvfs){.f_bavail = free_blocks, .f_frsize = BLOCK};
	return 0;
}

static int64_t size_of(const struct reserve *rv)
{
	struct stat st;

	assert_int_equal(fstat(rv->fd, &st), 0);
	return st.st_size;
}

static void test_a_partial_reserve_is_not_kept(void **state)
{
	struct reserve rv;
	struct err e = {0};
	char dir[64];

	(void)state;
	scratch_make(dir, sizeof(dir), "reserve");
	has_room = false;
	assert_int_equal(reserve_open(dir, "reserve", STORE_RESERVE_BYTES, &rv, &e), 0);
	assert_false(rv.held);
	assert_int_equal(size_of(&rv), 0);
	reserve_close(&rv);
	scratch_remove(dir);
}

/* The last blocks of the disk are for commits. */
static void test_the_reserve_comes_back_when_twice_its_size_is_free(void **state)
{
	struct reserve rv;
	struct err e = {0};
	char dir[64];

	(void)state;
	scratch_make(dir, sizeof(dir), "reserve");
	has_room = true;
	assert_int_equal(reserve_open(dir, "reserve", STORE_RESERVE_BYTES, &rv, &e), 0);
	assert_true(reserve_give_up(&rv));
	assert_int_equal(size_of(&rv), 0);
	rv.next_try_us = 0;
	free_blocks = 2 * STORE_RESERVE_BYTES / BLOCK - 1;
	assert_false(reserve_renew(&rv));
	free_blocks++;
	assert_false(reserve_renew(&rv)); /* the last try was just now */
	rv.next_try_us = 0;
	assert_true(reserve_renew(&rv));
	assert_int_equal(size_of(&rv), STORE_RESERVE_BYTES);
	reserve_close(&rv);
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_partial_reserve_is_not_kept),
		cmocka_unit_test(test_the_reserve_comes_back_when_twice_its_size_is_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
