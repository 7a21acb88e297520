/* SPDX-License-Identifier: MIT */
/* Trees that a job has left: measured and removed, whatever they are made of. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/tree.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
/* cmocka wants the above */
#include <cmocka.h>

#define DEEP  3000 /* far beyond descriptors and PATH_MAX */
#define WIDE  500
#define CHUNK 50

static void put(int at, const char *name, size_t len)
{
	OWN(closep) int fd = openat(at, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	OWN(freep) char *bytes = calloc(1, len);

	assert_true(fd >= 0 && bytes);
	assert_int_equal(fd_write_all(fd, bytes, len), 0);
}

/* A chain of `depth` directories named "d", a file in each. */
static void make_chain(int at, const char *name, int depth)
{
	int dir = at, next;

	for (int i = 0; i < depth; i++) {
		const char *here = i ? "d" : name;

		assert_int_equal(mkdirat(dir, here, 0700), 0);
		next = openat(dir, here, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		if (dir != at)
			close(dir);
		dir = next;
		put(dir, "f", 1);
	}
	close(dir);
}

static void test_a_deep_tree_goes(void **state)
{
	struct scratch *p = *state;
	struct err e = {0};
	struct tree_size size = {.budget = 10 * DEEP};

	make_chain(p->fd, "deep", DEEP);
	tree_measure(p->fd, "deep", &size);
	assert_true(size.partial);
	assert_int_equal(size.files, TREE_DEPTH_MAX);
	assert_int_equal(tree_remove_some(p->fd, "deep", 100 * DEEP, &e), 0);
	assert_false(path_exists(p->fd, "deep"));
	make_chain(p->fd, "deep", DEEP);
	assert_int_equal(tree_remove(p->fd, "deep", &e), 0);
	assert_false(path_exists(p->fd, "deep"));
}

static void test_a_tree_goes_in_parts(void **state)
{
	struct scratch *p = *state;
	struct err e = {0};
	char name[64];
	int parts = 1;

	assert_int_equal(mkdirat(p->fd, "wide", 0700), 0);
	for (int i = 0; i < WIDE; i++) {
		snprintf(name, sizeof(name), "wide/f%d", i);
		put(p->fd, name, 1);
	}
	while (tree_remove_some(p->fd, "wide", CHUNK, &e) == 1)
		parts++;
	assert_false(path_exists(p->fd, "wide"));
	assert_in_range(parts, WIDE / CHUNK, 2 * WIDE / CHUNK);
}

/* As a job that has closed its directories behind itself; root does not see the difference. */
static void test_what_has_no_permissions_goes(void **state)
{
	struct scratch *p = *state;
	struct err e = {0};

	assert_int_equal(dir_make(p->fd, "shut/in/er/most", 0700, &e), 0);
	put(p->fd, "shut/in/er/most/f", 1);
	assert_int_equal(fchmodat(p->fd, "shut/in/er/most", 0, 0), 0);
	assert_int_equal(fchmodat(p->fd, "shut/in/er", 0500, 0), 0);
	assert_int_equal(fchmodat(p->fd, "shut/in", 0, 0), 0);
	assert_int_equal(fchmodat(p->fd, "shut", 0, 0), 0);
	assert_int_equal(tree_remove_some(p->fd, "shut", 1000, &e), 0);
	assert_false(path_exists(p->fd, "shut"));
}

static void test_no_link_is_followed(void **state)
{
	struct scratch *p = *state;
	struct err e = {0};
	struct tree_size size = {.budget = 100};

	assert_int_equal(dir_make(p->fd, "kept/below", 0700, &e), 0);
	put(p->fd, "kept/below/f", 1 << 20);
	assert_int_equal(fchmodat(p->fd, "kept/below", 0500, 0), 0);
	assert_int_equal(dir_make(p->fd, "gone/sub", 0700, &e), 0);
	assert_int_equal(symlinkat("../../kept", p->fd, "gone/sub/link"), 0);
	assert_int_equal(symlinkat("../kept", p->fd, "gone/link"), 0);
	assert_int_equal(symlinkat("gone", p->fd, "top"), 0);
	assert_int_equal(linkat(p->fd, "kept/below/f", p->fd, "gone/hard", 0), 0);
	assert_int_equal(mkfifoat(p->fd, "gone/pipe", 0600), 0);
	tree_measure(p->fd, "gone", &size);
	assert_int_equal(size.files, 4);
	assert_true(size.bytes < 1 << 20); /* the hard link frees nothing */
	assert_false(size.partial);
	assert_int_equal(tree_remove_some(p->fd, "top", 100, &e), 0);
	assert_true(path_exists(p->fd, "gone"));
	assert_int_equal(tree_remove_some(p->fd, "gone", 100, &e), 0);
	assert_false(path_exists(p->fd, "gone"));
	assert_true(path_exists(p->fd, "kept/below/f"));
	assert_int_equal(fchmodat(p->fd, "kept/below", 0700, 0), 0);
}

static void test_the_budget_of_a_measure(void **state)
{
	struct scratch *p = *state;
	struct tree_size size = {.budget = 3};

	assert_int_equal(mkdirat(p->fd, "four", 0700), 0);
	for (char name[] = "four/a"; name[5] <= 'd'; name[5]++)
		put(p->fd, name, 1);
	tree_measure(p->fd, "four", &size);
	assert_true(size.partial && size.files == 3 && size.budget == 0);
	size = (struct tree_size){.budget = 4};
	tree_measure(p->fd, "four", &size);
	assert_true(!size.partial && size.files == 4);
	size = (struct tree_size){.budget = 4};
	tree_measure(p->fd, "none", &size);
	assert_true(!size.partial && size.bytes == 0 && size.budget == 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_deep_tree_goes, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(test_a_tree_goes_in_parts, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(test_what_has_no_permissions_goes, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(test_no_link_is_followed, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(test_the_budget_of_a_measure, scratch_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
