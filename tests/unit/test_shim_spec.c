/* SPDX-License-Identifier: MIT */
/* shim/spec.h: spec.json as the shim reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fileio.h"
#include "shim/spec.h"
#include "tests/unit/scratch.h"
#include "wire/execution.h"

#include <errno.h>
#include <string.h>

static void spec_write(const struct scratch *d, const char *text)
{
	assert_int_equal(file_write_atomic(d->fd, EXECUTION_SPEC, text, strlen(text), 0600, NULL),
			 0);
}

static void test_spec(void **state)
{
	struct scratch *d = *state;
	struct shim_spec spec;

	spec_write(d, "{\"v\":1,\"execution\":\"x1\",\"exec\":{\"argv\":[\"/bin/a\",\"b\"],"
		      "\"env\":{\"K\":\"V\"},\"cwd\":\"/w\",\"max_runtime_ms\":null,"
		      "\"log_max_bytes\":7}}");
	assert_int_equal(shim_spec_read(d->fd, "/d", &spec, NULL), 0);
	assert_string_equal(spec.argv[0], "/bin/a");
	assert_string_equal(spec.argv[1], "b");
	assert_null(spec.argv[2]);
	assert_string_equal(spec.envp[0], "K=V");
	assert_string_equal(spec.envp[1], EXECUTION_ENV_ID "=x1");
	assert_string_equal(spec.envp[2], EXECUTION_ENV_DIR "=/d");
	assert_null(spec.envp[3]);
	assert_string_equal(spec.cwd, "/w");
	assert_int_equal(spec.max_runtime_ms, 0);
	assert_int_equal(spec.grace_ms, SHIM_GRACE_DEFAULT_MS);
	assert_int_equal(spec.log_max_bytes, 7);
	shim_spec_started(&spec);
	assert_null(spec.argv);
	assert_string_equal(spec.id, "x1");
	assert_int_equal(spec.owner, OWNER_CGROUP);
	shim_spec_started(&spec);
	assert_null(spec.envp);
}

static void test_spec_failure_leaves_nothing(void **state)
{
	struct scratch *d = *state;
	struct shim_spec spec;
	struct err e;

	assert_int_equal(shim_spec_read(d->fd, "/d", &spec, &e), -ENOENT);
	assert_null(spec.envp);
	spec_write(d, "{\"v\":1,\"execution\":\"x1\",\"exec\":{\"argv\":[\"/bin/a\"],"
		      "\"env\":{\"K\":\"V\",\"L\":2},\"cwd\":\"/w\"}}");
	assert_int_equal(shim_spec_read(d->fd, "/d", &spec, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "'L'"));
	assert_null(spec.envp);
	assert_null(spec.exec);
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(test_spec),
		WITH_DIR(test_spec_failure_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
