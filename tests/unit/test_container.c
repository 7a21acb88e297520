/* SPDX-License-Identifier: MIT */
/* The files for SageMaker's containers are in the program as they are in worker/sagemaker_script.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* first: what cmocka needs */
#include <cmocka.h>

#include "base/own.h"
#include "worker/sagemaker_script/container.h"

#include <string.h>

#define FILE_MAX (1 << 20)

static void test_files_are_whole(void **state)
{
	OWN(freep) char *text = malloc(FILE_MAX);
	size_t programs = 0;

	assert_non_null(text);
	for (size_t i = 0; i < container_files_n; i++) {
		const struct container_file *f = &container_files[i];
		OWN(fclosep) FILE *file = NULL;
		char path[512];

		snprintf(path, sizeof(path), "%s/worker/sagemaker_script/%s", SOURCE_ROOT, f->name);
		file = fopen(path, "rb");
		assert_non_null(file);
		assert_int_equal(fread(text, 1, FILE_MAX, file), f->len);
		assert_memory_equal(text, f->text, f->len);
		assert_int_equal(f->text[f->len], '\0');
		programs += strcmp(f->name, "train.py") == 0;
	}
	assert_int_equal(programs, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_files_are_whole)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
