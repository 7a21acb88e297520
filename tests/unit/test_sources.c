/* SPDX-License-Identifier: MIT */
/* Freezing a source_dir: content addressing, what is left out, limits, dry runs. */
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "base/tree.h"
#include "daemon/manager.h"
#include "daemon/submit/sources.h"
#include "tests/unit/scratch.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

struct place {
	char root[64], from[96], sources[96];
};

static void put(const struct place *p, const char *name, const char *text, mode_t mode)
{
	char path[PATH_MAX];
	struct err e = {0};

	assert_true(path_join(path, sizeof(path), p->from, name));
	assert_int_equal(file_write_atomic(AT_FDCWD, path, text, strlen(text), mode, &e), 0);
	chmod(path, mode);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct err e;

	scratch_make(p->root, sizeof(p->root), "sources");
	snprintf(p->from, sizeof(p->from), "%s/code", p->root);
	snprintf(p->sources, sizeof(p->sources), "%s/sources", p->root);
	*state = p;
	return dir_make(AT_FDCWD, p->from, 0755, &e);
}

static int teardown(void **state)
{
	struct place *p = *state;
	struct err e;
	int r = tree_remove(AT_FDCWD, p->root, &e);

	free(p);
	return r;
}

static int freeze(const struct place *p, bool dry, char *out, struct err *e)
{
	return source_freeze(p->sources, p->from, dry, out, PATH_MAX, e);
}

static void test_same_content_same_place(void **state)
{
	struct place *p = *state;
	char first[PATH_MAX], second[PATH_MAX], third[PATH_MAX], file[PATH_MAX + 32];
	struct stat st;
	struct err e = {0};

	put(p, "train.py", "print(1)\n", 0644);
	put(p, "run.sh", "true\n", 0755);
	assert_int_equal(freeze(p, false, first, &e), 0);
	assert_int_equal(freeze(p, false, second, &e), 0);
	assert_string_equal(first, second);
	snprintf(file, sizeof(file), "%s/run.sh", first);
	assert_int_equal(stat(file, &st), 0);
	assert_true(st.st_mode & 0100);
	put(p, "train.py", "print(2)\n", 0644);
	assert_int_equal(freeze(p, false, third, &e), 0);
	assert_string_not_equal(first, third);
	snprintf(file, sizeof(file), "%s/train.py", first);
	assert_int_equal(stat(file, &st), 0); /* the frozen one is untouched */
	assert_int_equal(st.st_size, 9);
}

static void test_leaves_out_and_refuses(void **state)
{
	struct place *p = *state;
	char out[PATH_MAX], path[PATH_MAX + 32], link_path[PATH_MAX];
	struct err e = {0};

	put(p, "train.py", "pass\n", 0644);
	snprintf(path, sizeof(path), "%s/__pycache__", p->from);
	assert_int_equal(mkdir(path, 0755), 0);
	put(p, "__pycache__/train.pyc", "x", 0644);
	assert_int_equal(freeze(p, false, out, &e), 0);
	snprintf(path, sizeof(path), "%s/__pycache__", out);
	assert_false(path_exists(AT_FDCWD, path));
	path_join(link_path, sizeof(link_path), p->from, "pipe");
	assert_int_equal(mkfifo(link_path, 0600), 0);
	assert_int_equal(freeze(p, false, out, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "pipe is a special file"));
}

/* A link to what lies below a root is what it leads to; one that leads out is refused. */
static void test_links_lead_to_below_the_roots(void **state)
{
	struct place *p = *state;
	const char *const roots[] = {p->from, NULL};
	char out[PATH_MAX], link_path[PATH_MAX], path[PATH_MAX + 32];
	struct err e = {0};
	struct stat st;

	put(p, "train.py", "pass\n", 0644);
	path_join(link_path, sizeof(link_path), p->from, "again.py");
	assert_int_equal(symlink("train.py", link_path), 0);
	roots_set(roots, NULL);
	assert_int_equal(freeze(p, false, out, &e), 0);
	snprintf(path, sizeof(path), "%s/again.py", out);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	path_join(link_path, sizeof(link_path), p->from, "passwd");
	assert_int_equal(symlink("/etc/passwd", link_path), 0);
	assert_int_equal(freeze(p, false, out, &e), -EACCES);
	assert_non_null(strstr(e.msg, "leads to '/etc/passwd', which is not below a root"));
	assert_int_equal(unlink(link_path), 0);
	path_join(link_path, sizeof(link_path), p->from, "up");
	assert_int_equal(symlink("..", link_path), 0);
	assert_int_equal(freeze(p, true, out, &e), -EACCES);
	roots_set(NULL, NULL);
}

static void test_dry_run_copies_nothing(void **state)
{
	struct place *p = *state;
	char out[PATH_MAX];
	struct err e = {0};

	put(p, "a.py", "pass\n", 0644);
	assert_int_equal(freeze(p, true, out, &e), 0);
	assert_false(path_exists(AT_FDCWD, p->sources));
}

static void test_size_limit_at_its_edge(void **state)
{
	struct place *p = *state;
	char out[PATH_MAX], path[PATH_MAX];
	struct err e = {0};

	put(p, "big", "", 0644);
	path_join(path, sizeof(path), p->from, "big");
	assert_int_equal(truncate(path, MANAGER_SOURCE_BYTES_MAX), 0);
	assert_int_equal(freeze(p, true, out, &e), 0);
	assert_int_equal(truncate(path, MANAGER_SOURCE_BYTES_MAX + 1), 0);
	assert_int_equal(freeze(p, true, out, &e), -ERR_LIMIT);
	assert_non_null(strstr(e.msg, "64 MiB"));
}

static void test_file_limit_at_its_edge(void **state)
{
	struct place *p = *state;
	char out[PATH_MAX], path[PATH_MAX];
	struct err e = {0};

	for (int i = 0; i <= MANAGER_SOURCE_FILES_MAX; i++) {
		OWN(closep) int fd = -1;

		if (i == MANAGER_SOURCE_FILES_MAX)
			assert_int_equal(freeze(p, true, out, &e), 0);
		snprintf(path, sizeof(path), "%s/f%d", p->from, i);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		assert_true(fd >= 0);
	}
	assert_int_equal(freeze(p, true, out, &e), -ERR_LIMIT);
	assert_non_null(strstr(e.msg, "10000 files"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same_content_same_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leaves_out_and_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_lead_to_below_the_roots, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_dry_run_copies_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_size_limit_at_its_edge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_limit_at_its_edge, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
