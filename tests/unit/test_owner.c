/* SPDX-License-Identifier: MIT */
/* wire/owner: the record in an execution's lock file, which a job of the same user can write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/own.h"
#include "base/str.h"
#include "wire/owner.h"

#include <string.h>
#include <sys/mman.h>

#define ID "0a1b2c3d"

static int read_back(const char *cgroup)
{
	struct process_owner o = {.kind = OWNER_CGROUP, .shim = 7, .shim_start = 8}, back;
	OWN(closep) int fd = memfd_create("lock", MFD_CLOEXEC);
	struct err e = {0};
	int r;

	assert_true(fd >= 0);
	str_must_copy(o.cgroup, sizeof(o.cgroup), cgroup);
	assert_int_equal(owner_write(fd, &o, &e), 0);
	r = owner_read(fd, ID, &back, &e);
	if (r >= 0)
		assert_string_equal(back.cgroup, cgroup);
	else
		assert_non_null(strstr(e.msg, "does not name the owner of the execution"));
	return r;
}

/* All processes of the named cgroup are killed, so it must be the execution's own. */
static void test_the_cgroup_of_another_execution_is_refused(void **state)
{
	(void)state;
	assert_int_equal(read_back("/sys/fs/cgroup/unit/trainyard-" ID), 0);
	assert_int_equal(read_back("/sys/fs/cgroup/unit/trainyard-0a1b2c3e"), -ERR_CORRUPT);
	assert_int_equal(read_back("/sys/fs/cgroup/unit/trainyard-" ID "0"), -ERR_CORRUPT);
	assert_int_equal(read_back("/sys/fs/cgroup/unit/trainyard-"), -ERR_CORRUPT);
	assert_int_equal(read_back("/sys/fs/cgroup/unit/" ID), -ERR_CORRUPT);
	assert_int_equal(read_back("/sys/fs/cgroup/trainyard-" ID "/.."), -ERR_CORRUPT);
	assert_int_equal(read_back("unit/trainyard-" ID), -ERR_CORRUPT);
	assert_int_equal(read_back("/"), -ERR_CORRUPT);
	assert_int_equal(read_back(""), -ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_cgroup_of_another_execution_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
