/* SPDX-License-Identifier: MIT */
/* Disk, inodes and descriptors run out: queued jobs wait, submits are refused, nothing is lost. */
#include "tests/unit/manager_rig.h"

#include "base/descriptors.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/core.h"
#include "daemon/schedule/headroom.h"
#include "tests/unit/wait.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#define LIMIT 256 /* descriptors of this process while they are to run out */
#define GIB   (INT64_C(1) << 30)

static int taken[LIMIT];
static int taken_n;
static struct rlimit before;

/* Every descriptor is in use. */
static void take_all(void)
{
	struct rlimit low;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = LIMIT;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	taken_n = 0;
	while (taken_n < LIMIT && (taken[taken_n] = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0)
		taken_n++;
	assert_true(taken_n > 0 && taken_n < LIMIT);
}

static void give_all(void)
{
	while (taken_n)
		close(taken[--taken_n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* True if explain says that `job` waits for this. */
static bool waits_for(struct rig *rig, const char *job, const char *code)
{
	struct command c = {.kind = COMMAND_EXPLAIN};
	bool is;

	str_must_copy(c.id, sizeof(c.id), job);
	assert_int_equal(rig_do(rig, &c), 0);
	is = str_eq(json_get_str(json_object_get(c.answer, "reason"), "code", ""), code);
	json_decref(c.answer);
	return is;
}

static void test_no_descriptor_left_job_waits(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN], id[ID_LEN];
	struct run_spec *spec = NULL;
	struct err e = {0};

	rig_submit(rig, rig_script(rig, "a", "ok", ",\"held\":true"), run);
	rig_job_id(rig, run, "a", id);
	take_all();
	assert_int_equal(rig_prepare(rig, rig_script(rig, "b", "ok", ""), &spec, &e),
			 -ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "no file descriptors left"));
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_RELEASE, id, NULL), 0);
	wait_until(waits_for(rig, id, "waiting_for_room"));
	give_all();
	rig_expect_end(rig, run, "a", "succeeded", "", "");
	assert_int_equal(rig_wait(rig, run, "a", "succeeded").attempt, 1);
}

/* Its end, its exit record and its lock are all there, and none of them can be opened. */
static void test_end_without_descriptors_is_not_a_loss(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN], from[PATH_MAX], to[PATH_MAX], record[PATH_MAX];
	OWN(json_decrefp) json_t *status = NULL;
	const json_t *ex;

	rig_submit(rig, rig_script(rig, "a", "until_file", ""), run);
	rig_wait(rig, run, "a", "running");
	status = manager_status(rig->manager);
	ex = json_array_get(json_object_get(status, "executions"), 0);
	snprintf(record, sizeof(record), "%s/executions/%s/exit.json", rig->data,
		 json_get_str(ex, "execution", ""));
	path_join(from, sizeof(from), rig->root, "later");
	path_join(to, sizeof(to), rig->root, "go");
	rig_touch(rig, "later");
	take_all();
	assert_int_equal(rename(from, to), 0);
	wait_until(path_exists(AT_FDCWD, record));
	give_all();
	rig_expect_end(rig, run, "a", "succeeded", "", "");
}

static void test_full_disk_job_waits_and_submit_is_refused(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN], id[ID_LEN];
	struct run_spec *spec = NULL;
	struct err e = {0};

	rig_submit(rig, rig_script(rig, "a", "ok", ",\"held\":true"), run);
	rig_job_id(rig, run, "a", id);
	rig_stop(rig);
	rig->set.disk_free_min_bytes = INT64_MAX; /* no disk has that much */
	rig_start(rig);
	assert_int_equal(rig_prepare(rig, rig_script(rig, "b", "ok", ""), &spec, &e), -ENOSPC);
	assert_non_null(strstr(e.msg, "local.disk_free_min_bytes"));
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_RELEASE, id, NULL), 0);
	wait_until(waits_for(rig, id, "waiting_for_room"));
	rig_stop(rig);
	rig->set.disk_free_min_bytes = 0;
	rig_start(rig);
	assert_int_equal(rig_wait(rig, run, "a", "succeeded").attempt, 1);
}

static void test_disk_limits(void **state)
{
	struct statvfs vfs = {
		.f_frsize = 4096, .f_bavail = 2, .f_files = 1000, .f_favail = HEADROOM_INODES};
	struct err e;

	assert_int_equal(headroom_check_disk("/d", &vfs, 8192, &e), 0);
	assert_int_equal(headroom_check_disk("/d", &vfs, 8193, &e), -ENOSPC);
	vfs.f_favail--;
	assert_int_equal(headroom_check_disk("/d", &vfs, 0, &e), -ENOSPC);
	assert_non_null(strstr(e.msg, "inodes"));
	vfs.f_files = 0; /* made as needed */
	assert_int_equal(headroom_check_disk("/d", &vfs, 0, &e), 0);
	vfs.f_bavail = INT64_C(1) << 50;
	assert_int_equal(headroom_check_disk("/d", &vfs, GIB, &e), 0);
}

/* A shim that ends with SHIM_NO_SPACE until there is a file "room". */
static int setup_no_space(void **state)
{
	char path[PATH_MAX], text[2 * PATH_MAX];
	struct rig *rig;
	struct err e;

	if (rig_setup(state) < 0)
		return -1;
	rig = *state;
	rig_stop(rig);
	snprintf(path, sizeof(path), "%s/shim", rig->root);
	snprintf(text, sizeof(text), "#!/bin/sh\n[ -e %s/room ] && exec %s \"$@\"\nexit %d\n",
		 rig->root, rig->set.shim, SHIM_NO_SPACE);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, text, strlen(text), 0755, &e), 0);
	rig->set.shim = strdup(path);
	rig_start(rig);
	return 0;
}

static int teardown_no_space(void **state)
{
	struct rig *rig = *state;
	char *shim = (char *)rig->set.shim;
	int r = rig_teardown(state);

	free(shim);
	return r;
}

static void test_shim_without_room_starts_again(void **state)
{
	struct rig *rig = *state;
	char run[2][ID_LEN];
	struct rig_end end;

	rig_submit(rig, rig_script(rig, "a", "ok", ""), run[0]);
	end = rig_wait(rig, run[0], "a", "running");
	wait_until(waits_for(rig, end.id, "waiting_for_room"));
	rig_touch(rig, "room");
	end = rig_wait(rig, run[0], "a", "succeeded");
	assert_int_equal(end.attempt, 1);
}

static void test_shim_without_room_can_be_cancelled(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN];
	struct rig_end end;

	rig_submit(rig, rig_script(rig, "a", "ok", ""), run);
	end = rig_wait(rig, run, "a", "running");
	wait_until(waits_for(rig, end.id, "waiting_for_room"));
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_CANCEL, end.id, NULL), 0);
	rig_expect_end(rig, run, "a", "cancelled", "cancelled", "");
}

static void test_raised_limit_is_not_inherited(void **state)
{
	const char *const argv[] = {"/bin/sh", "-c", "[ $(ulimit -n) = 200 ]", NULL};
	const char *const envp[] = {NULL};
	struct proc_spec spec = {.path = "/bin/sh", .argv = argv, .envp = envp};
	struct rlimit was, low;
	struct err e = {0};
	int status;
	pid_t pid;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	low = (struct rlimit){.rlim_cur = 200, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(descriptors_raise(), was.rlim_max < DESCRIPTORS_LIMIT_MAX
						      ? (int64_t)was.rlim_max
						      : DESCRIPTORS_LIMIT_MAX);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &low), 0);
	assert_true(low.rlim_cur > 200);
	assert_int_equal(proc_spawn(&spec, &pid, &e), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_descriptor_left_job_waits, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_end_without_descriptors_is_not_a_loss,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_full_disk_job_waits_and_submit_is_refused,
						rig_setup, rig_teardown),
		cmocka_unit_test(test_disk_limits),
		cmocka_unit_test_setup_teardown(test_shim_without_room_starts_again, setup_no_space,
						teardown_no_space),
		cmocka_unit_test_setup_teardown(test_shim_without_room_can_be_cancelled,
						setup_no_space, teardown_no_space),
		cmocka_unit_test(test_raised_limit_is_not_inherited),
	};

	rig_block_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
