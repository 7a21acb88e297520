/* SPDX-License-Identifier: MIT */
/* Placement on GPUs, with the fake NVML: whole GPUs, shared memory, foreign processes, explain. */
#include "tests/unit/manager_rig.h"

#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/core.h"
#include "daemon/devices.h"
#include "tests/unit/wait.h"
#include "wire/execution.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* The spec.json of the execution that holds `job`. */
static json_t *message_of(struct rig *rig, const char *job)
{
	OWN(json_decrefp) json_t *status = manager_status(rig->manager);
	char path[PATH_MAX];
	json_t *ex, *message = NULL;
	struct err e;
	size_t i;

	json_array_foreach(json_object_get(status, "executions"), i, ex) {
		if (!str_eq(json_get_str(ex, "job", ""), job))
			continue;
		snprintf(path, sizeof(path), "%s/executions/%s/spec.json", rig->data,
			 json_get_str(ex, "execution", ""));
		assert_int_equal(json_read_file(AT_FDCWD, path, EXECUTION_SPEC_MAX, &message, &e),
				 0);
	}
	assert_non_null(message);
	return message;
}

static const char *visible(const json_t *message)
{
	const json_t *exec = json_object_get(message, "exec");

	return json_get_str(json_object_get(exec, "env"), "CUDA_VISIBLE_DEVICES", "unset");
}

static void test_whole_gpus(void **state)
{
	struct rig *rig = *state;
	OWN(json_decrefp) json_t *first = NULL;
	OWN(json_decrefp) json_t *second = NULL;
	OWN(json_decrefp) json_t *cpu = NULL;
	struct rig_end a, b, c;
	char ra[ID_LEN], rb[ID_LEN], rc[ID_LEN], rd[ID_LEN], id[ID_LEN];

	rig_submit(rig, rig_script(rig, "a", "hang", ",\"local\":{\"gpus\":1}"), ra);
	a = rig_wait(rig, ra, "a", "running");
	rig_submit(rig, rig_script(rig, "b", "hang", ",\"local\":{\"gpus\":1}"), rb);
	b = rig_wait(rig, rb, "b", "running");
	first = message_of(rig, a.id);
	second = message_of(rig, b.id);
	assert_string_not_equal(visible(first), visible(second));
	assert_true(str_starts(visible(first), "GPU-"));
	rig_submit(rig, rig_script(rig, "c", "ok", ",\"local\":{\"gpus\":1}"), rc);
	rig_job_id(rig, rc, "c", id);
	rig_expect_why(rig, id, "waiting_for_gpu", "GPU 0: held by another job");
	rig_submit(rig, rig_script(rig, "d", "hang", ",\"local\":{\"gpus\":0}"), rd);
	c = rig_wait(rig, rd, "d", "running"); /* the CPU slot does not wait for GPUs */
	cpu = message_of(rig, c.id);
	assert_string_equal(visible(cpu), "");
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_CANCEL, a.id, NULL), 0);
	rig_expect_end(rig, rc, "c", "succeeded", "", "");
}

static void test_two_at_once(void **state)
{
	struct rig *rig = *state;
	OWN(json_decrefp) json_t *message = NULL;
	char run[ID_LEN];
	struct rig_end end;

	rig_submit(rig, rig_script(rig, "both", "hang", ",\"local\":{\"gpus\":2}"), run);
	end = rig_wait(rig, run, "both", "running");
	message = message_of(rig, end.id);
	assert_int_equal(strlen(visible(message)), strlen("GPU-aaaa,GPU-bbbb"));
}

static void test_shared_memory(void **state)
{
	struct rig *rig = *state;
	static const char want[] =
		",\"local\":{\"gpus\":1,\"gpu_memory\":\"6GiB\",\"devices\":[1]}";
	char run[3][ID_LEN], id[ID_LEN];

	rig_submit(rig, rig_script(rig, "a", "hang", want), run[0]);
	rig_wait(rig, run[0], "a", "running");
	rig_submit(rig, rig_script(rig, "b", "hang", want), run[1]);
	rig_wait(rig, run[1], "b", "running");
	rig_submit(rig, rig_script(rig, "c", "hang", want), run[2]);
	rig_job_id(rig, run[2], "c", id);
	rig_expect_why(rig, id, "waiting_for_gpu", "GPU 1");
	rig_expect_why(rig, id, "waiting_for_gpu", "the job needs 6.0 GiB");
}

/* Its own memory to the byte, beside what is promised to another. */
static void test_shared_memory_to_the_byte(void **state)
{
	struct rig *rig = *state;
	char run[3][ID_LEN], id[ID_LEN];

	rig_submit(rig,
		   rig_script(rig, "a", "hang",
			      ",\"local\":{\"gpus\":1,\"gpu_memory\":\"6GiB\",\"devices\":[1]}"),
		   run[0]);
	rig_wait(rig, run[0], "a", "running");
	rig_submit(rig,
		   rig_script(rig, "b", "hang",
			      ",\"local\":{\"gpus\":1,\"gpu_memory\":10737418241,\"devices\":[1]}"),
		   run[1]);
	rig_job_id(rig, run[1], "b", id);
	rig_expect_why(rig, id, "waiting_for_gpu", "GPU 1");
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_CANCEL, id, NULL), 0);
	rig_submit(rig,
		   rig_script(rig, "c", "hang",
			      ",\"local\":{\"gpus\":1,\"gpu_memory\":10737418240,\"devices\":[1]}"),
		   run[2]);
	rig_wait(rig, run[2], "c", "running");
}

/* Many wait for GPU 0; one that fits the idle GPU 1 does not wait with them. */
static void test_idle_gpu_is_not_held_back(void **state)
{
	struct rig *rig = *state;
	OWN(buf_done) struct buf jobs = BUF_INIT(1 << 20);
	char run[3][ID_LEN];

	rig_submit(rig, rig_script(rig, "a", "hang", ",\"local\":{\"gpus\":1,\"devices\":[0]}"),
		   run[0]);
	rig_wait(rig, run[0], "a", "running");
	for (int i = 0; i < MANAGER_READY_MAX + 1; i++) {
		char name[16];

		snprintf(name, sizeof(name), "b%d", i);
		buf_printf(
			&jobs, "%s%s", i ? "," : "",
			rig_script(rig, name, "hang", ",\"local\":{\"gpus\":1,\"devices\":[0]}"));
	}
	rig_submit(rig, buf_str(&jobs), run[1]);
	rig_submit(rig, rig_script(rig, "c", "ok", ",\"local\":{\"gpus\":1}"), run[2]);
	rig_expect_end(rig, run[2], "c", "succeeded", "", "");
	assert_int_equal(rig_job_command(rig, COMMAND_RUN_CANCEL, run[1], NULL), 0);
}

/* One waits for both GPUs: the idle one is kept for it, or small jobs could overtake it for ever.
 */
static void test_idle_gpu_is_kept_for_who_is_ahead(void **state)
{
	struct rig *rig = *state;
	char run[3][ID_LEN], id[ID_LEN];
	struct rig_end first, both;

	rig_submit(rig, rig_script(rig, "a", "hang", ",\"local\":{\"gpus\":1,\"devices\":[0]}"),
		   run[0]);
	first = rig_wait(rig, run[0], "a", "running");
	rig_submit(rig, rig_script(rig, "both", "ok", ",\"local\":{\"gpus\":2}"), run[1]);
	rig_submit(rig, rig_script(rig, "small", "ok", ",\"local\":{\"gpus\":1}"), run[2]);
	rig_job_id(rig, run[2], "small", id);
	rig_expect_why(rig, id, "waiting_for_gpu", "GPU 1: kept for a job ahead in the queue");
	assert_int_equal(rig_job_command(rig, COMMAND_JOB_CANCEL, first.id, NULL), 0);
	both = rig_wait(rig, run[1], "both", "running");
	assert_true(both.seq < rig_wait(rig, run[2], "small", "running").seq);
	rig_expect_end(rig, run[2], "small", "succeeded", "", "");
}

/* The same of a part of its memory; the other GPU is free for those that fit there. */
static void test_gpu_memory_is_kept_for_who_is_ahead(void **state)
{
	struct rig *rig = *state;
	char run[4][ID_LEN], id[ID_LEN];

	rig_submit(rig,
		   rig_script(rig, "a", "hang",
			      ",\"local\":{\"gpus\":1,\"gpu_memory\":\"8GiB\",\"devices\":[1]}"),
		   run[0]);
	rig_wait(rig, run[0], "a", "running");
	rig_submit(rig,
		   rig_script(rig, "large", "ok",
			      ",\"local\":{\"gpus\":1,\"gpu_memory\":\"12GiB\",\"devices\":[1]}"),
		   run[1]);
	rig_submit(rig,
		   rig_script(rig, "small", "ok",
			      ",\"local\":{\"gpus\":1,\"gpu_memory\":\"4GiB\",\"devices\":[1]}"),
		   run[2]);
	rig_job_id(rig, run[2], "small", id);
	rig_expect_why(rig, id, "waiting_for_gpu", "GPU 1: kept for a job ahead in the queue");
	rig_submit(
		rig,
		rig_script(rig, "other", "ok", ",\"local\":{\"gpus\":1,\"gpu_memory\":\"4GiB\"}"),
		run[3]);
	rig_expect_end(rig, run[3], "other", "succeeded", "", "");
}

/* Memory in use on GPU 1, as it was read last. */
static int64_t memory_used(struct rig *rig)
{
	OWN(json_decrefp) json_t *devices = manager_devices(rig->manager);
	const json_t *item = json_array_get(json_object_get(devices, "items"), 1);

	return json_get_int(item, "memory_used_bytes", 0);
}

static void test_foreign_memory_is_named(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN], id[ID_LEN];

	rig_set_gpus(rig, "gpu GPU-aaaa Fake 17179869184 0\n"
			  "gpu GPU-bbbb Fake 17179869184 9878424780\n"
			  "proc 1 4194303 9878424780\n"); /* a pid that cannot exist here */
	wait_until(memory_used(rig) == 9878424780);
	rig_submit(rig, rig_script(rig, "wait", "ok", ",\"local\":{\"gpus\":1,\"devices\":[1]}"),
		   run);
	rig_job_id(rig, run, "wait", id);
	rig_expect_why(rig, id, "waiting_for_gpu", "GPU 1: pid 4194303 holds 9.2 GiB");
	rig_set_gpus(rig, "gpu GPU-aaaa Fake 17179869184 0\ngpu GPU-bbbb Fake 17179869184 0\n");
	rig_expect_end(rig, run, "wait", "succeeded", "", ""); /* it left: the job starts */
}

/* The rig's margin is 1 MiB: of memory without a process, and of all processes together. */
static void test_foreign_memory_to_the_byte(void **state)
{
	struct rig *rig = *state;
	char run[ID_LEN], id[ID_LEN];

	rig_set_gpus(rig, "gpu GPU-aaaa Fake 17179869184 0\n"
			  "gpu GPU-bbbb Fake 17179869184 1048577\n");
	wait_until(memory_used(rig) == 1048577);
	rig_submit(rig, rig_script(rig, "wait", "ok", ",\"local\":{\"gpus\":1,\"devices\":[1]}"),
		   run);
	rig_job_id(rig, run, "wait", id);
	rig_expect_why(rig, id, "waiting_for_gpu", "GPU 1: 1.0 MiB of its memory is in use");
	rig_set_gpus(rig, "gpu GPU-aaaa Fake 17179869184 0\n"
			  "gpu GPU-bbbb Fake 17179869184 9\n"
			  "proc 1 4194302 1048575\nproc 1 4194303 2\n");
	wait_until(memory_used(rig) == 9);
	rig_expect_why(rig, id, "waiting_for_gpu", "GPU 1: pid 4194302 holds");
	rig_set_gpus(rig, "gpu GPU-aaaa Fake 17179869184 0\n"
			  "gpu GPU-bbbb Fake 17179869184 1048576\n"
			  "proc 1 4194302 1048574\nproc 1 4194303 2\n");
	rig_expect_end(rig, run, "wait", "succeeded", "", "");
}

static bool is_lost(struct rig *rig)
{
	OWN(json_decrefp) json_t *devices = manager_devices(rig->manager);
	const json_t *item = json_array_get(json_object_get(devices, "items"), 1);

	return json_is_true(json_object_get(item, "lost"));
}

/* A job that needs both GPUs does not keep the other one while one is lost. */
static void test_lost_gpu_is_not_used(void **state)
{
	struct rig *rig = *state;
	char run[2][ID_LEN], id[ID_LEN];

	rig_set_gpus(rig, "gpu GPU-aaaa Fake 17179869184 0\n"
			  "gpu GPU-bbbb Fake 17179869184 0 lost\n");
	wait_until(is_lost(rig));
	rig_submit(rig, rig_script(rig, "both", "ok", ",\"local\":{\"gpus\":2}"), run[0]);
	rig_job_id(rig, run[0], "both", id);
	rig_expect_why(rig, id, "waiting_for_gpu", "GPU 1: lost");
	rig_submit(rig, rig_script(rig, "one", "ok", ",\"local\":{\"gpus\":1}"), run[1]);
	rig_expect_end(rig, run[1], "one", "succeeded", "", "");
	rig_set_gpus(rig, "gpu GPU-aaaa Fake 17179869184 0\ngpu GPU-bbbb Fake 17179869184 0\n");
	rig_expect_end(rig, run[0], "both", "succeeded", "", "");
}

/* Jobs that share go where most memory is free; of equals, the first. */
static void test_sharing_jobs_spread(void **state)
{
	static const char want[] = ",\"local\":{\"gpus\":1,\"gpu_memory\":\"2GiB\"}";
	static const char *const expected[] = {"GPU-aaaa", "GPU-bbbb", "GPU-aaaa"};
	struct rig *rig = *state;
	char run[ID_LEN], name[] = "a";

	for (size_t i = 0; i < ARRAY_LEN(expected); i++, name[0]++) {
		OWN(json_decrefp) json_t *message = NULL;
		struct rig_end end;

		rig_submit(rig, rig_script(rig, name, "hang", want), run);
		end = rig_wait(rig, run, name, "running");
		message = message_of(rig, end.id);
		assert_string_equal(visible(message), expected[i]);
	}
}

static void test_more_than_there_are_is_refused(void **state)
{
	struct rig *rig = *state;
	OWN(json_decrefp) json_t *body = NULL;
	OWN(json_decrefp) json_t *problems = json_array();
	OWN(buf_done) struct buf text = BUF_INIT(4096);
	struct run_spec *run = NULL;
	struct err e = {0};

	buf_puts(&text, rig_script(rig, "a", "ok", ",\"local\":{\"gpus\":3}"));
	assert_int_equal(json_parse(buf_str(&text), text.len, &body, &e), 0);
	assert_int_equal(
		manager_prepare(rig->manager, NULL, body, true, true, &run, problems, NULL, &e),
		-ERR_INVALID);
	assert_string_equal(json_get_str(json_array_get(problems, 0), "pointer", ""),
			    "/local/gpus");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole_gpus, rig_setup_gpus, rig_teardown),
		cmocka_unit_test_setup_teardown(test_two_at_once, rig_setup_gpus, rig_teardown),
		cmocka_unit_test_setup_teardown(test_shared_memory, rig_setup_gpus, rig_teardown),
		cmocka_unit_test_setup_teardown(test_shared_memory_to_the_byte, rig_setup_gpus,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_idle_gpu_is_not_held_back, rig_setup_gpus,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_idle_gpu_is_kept_for_who_is_ahead,
						rig_setup_gpus, rig_teardown),
		cmocka_unit_test_setup_teardown(test_gpu_memory_is_kept_for_who_is_ahead,
						rig_setup_gpus, rig_teardown),
		cmocka_unit_test_setup_teardown(test_foreign_memory_is_named, rig_setup_gpus,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_foreign_memory_to_the_byte, rig_setup_gpus,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_lost_gpu_is_not_used, rig_setup_gpus,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_sharing_jobs_spread, rig_setup_gpus,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_more_than_there_are_is_refused, rig_setup_gpus,
						rig_teardown),
	};

	rig_block_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
