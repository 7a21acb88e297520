/* SPDX-License-Identifier: MIT */
/* Devices through the fake NVML (tests/fakes/nvml.c); FAKE_NVML_LIBRARY names it. */
#include "base/own.h"
#include "base/str.h"
#include "daemon/devices.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char dir[64], state_file[80];

static void write_state(const char *text)
{
	FILE *f = fopen(state_file, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static struct devices *open_fake(void)
{
	struct devices *d = NULL;
	struct err e = {0};

	assert_true(devices_open(getenv("FAKE_NVML_LIBRARY"), &d, &e) >= 0);
	return d;
}

static void test_no_library_is_no_gpu(void **state)
{
	struct devices *d = NULL;
	struct err e = {0};

	assert_int_equal(devices_open("libno-such-library.so.1", &d, &e), 0);
	assert_int_equal(devices_count(d), 0);
	devices_close(d);
	assert_int_equal(devices_open("", &d, &e), 0);
	assert_int_equal(devices_count(d), 0);
	devices_close(d);
}

static void test_reads_what_nvml_says(void **state)
{
	struct device_list *list = calloc(1, sizeof(*list));
	struct devices *d;

	write_state("gpu GPU-aaaa H200 150000000000 5000000000\n"
		    "gpu GPU-bbbb H200 150000000000 0 lost\n"
		    "proc 0 4312 4000000000\nproc 0 77 1000\n");
	d = open_fake();
	assert_int_equal(devices_count(d), 2);
	assert_string_equal(devices_driver(d), "fake-1.0");
	devices_snapshot(d, list);
	assert_int_equal(list->n, 2);
	assert_string_equal(list->items[0].uuid, "GPU-aaaa");
	assert_int_equal(list->items[0].total_bytes, 150000000000);
	assert_int_equal(list->items[0].processes_n, 2);
	assert_int_equal(list->items[0].processes[0].pid, 4312);
	assert_int_equal(list->items[0].processes[0].used_bytes, 4000000000);
	assert_int_equal(list->items[0].temperature_c, 54);
	assert_false(list->items[0].lost);
	assert_true(list->items[1].lost);
	devices_close(d);
	free(list);
}

static int setup(void **state)
{
	scratch_make(dir, sizeof(dir), "nvml");
	path_join(state_file, sizeof(state_file), dir, "state");
	write_state("");
	return setenv("FAKE_NVML_STATE", state_file, 1);
}

static int teardown(void **state)
{
	scratch_remove(dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_library_is_no_gpu),
		cmocka_unit_test(test_reads_what_nvml_says),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
