/* SPDX-License-Identifier: MIT */
/* base/fileio: reading with a limit, atomic writing, trees, paths, socket addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fileio.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/own.h"
#include "base/tree.h"
#include "tests/unit/scratch.h"

#include <string.h>
#include <sys/stat.h>

static void put(int at, const char *path, const char *text)
{
	assert_int_equal(file_write_atomic(at, path, text, strlen(text), 0640, NULL), 0);
}

static void assert_content(int at, const char *path, const char *text)
{
	OWN(buf_done) struct buf got = BUF_INIT(1 << 20);

	assert_int_equal(file_read(at, path, &got, NULL), 0);
	assert_string_equal(buf_str(&got), text);
}

static void test_read_limit(void **state)
{
	struct scratch *p = *state;
	struct err e = {0};

	put(p->fd, "f", "0123456789");
	for (size_t max = 9; max <= 11; max++) {
		OWN(buf_done) struct buf b = BUF_INIT(max);
		int r = file_read(p->fd, "f", &b, &e);

		assert_int_equal(r, max < 10 ? -ERR_LIMIT : 0);
		if (r == 0)
			assert_int_equal(b.len, 10);
	}
	assert_non_null(strstr(e.msg, "f is larger than 9 bytes"));
	OWN(buf_done) struct buf b = BUF_INIT(100);

	assert_int_equal(buf_puts(&b, "before "), 0);
	assert_int_equal(file_read(p->fd, "f", &b, &e), 0);
	assert_string_equal(buf_str(&b), "before 0123456789");
	assert_int_equal(file_read(p->fd, "none", &b, &e), -ENOENT);
	assert_int_equal(file_read(p->fd, ".", &b, &e), -EISDIR);
}

static void test_atomic_write(void **state)
{
	struct scratch *p = *state;
	struct stat st;
	struct err e = {0};
	char target[128];

	put(p->fd, "f", "one");
	put(p->fd, "f", "two");
	assert_content(p->fd, "f", "two");
	assert_false(path_exists(p->fd, "f.tmp"));
	assert_int_equal(fstatat(p->fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	put(p->fd, "f.tmp", "left by a crash");
	put(p->fd, "f", "three");
	assert_content(p->fd, "f", "three");
	/* A link under the temporary name is not followed. */
	snprintf(target, sizeof(target), "%s/victim", p->dir);
	put(p->fd, "victim", "safe");
	assert_int_equal(symlinkat(target, p->fd, "g.tmp"), 0);
	assert_int_equal(file_write_atomic(p->fd, "g", "x", 1, 0600, &e), -ELOOP);
	assert_content(p->fd, "victim", "safe");
	assert_int_equal(file_write_atomic(p->fd, "no/dir/f", "x", 1, 0600, &e), -ENOENT);
	/* When the rename fails, the old thing is there and the temporary file is not. */
	assert_int_equal(dir_make(p->fd, "d/sub", 0700, &e), 0);
	assert_true(file_write_atomic(p->fd, "d", "x", 1, 0600, &e) < 0);
	assert_true(path_is_dir(p->fd, "d/sub"));
	assert_false(path_exists(p->fd, "d.tmp"));
}

static void test_directories(void **state)
{
	struct scratch *p = *state;
	struct err e = {0};

	assert_int_equal(dir_make(p->fd, "a/b/c", 0700, &e), 0);
	assert_int_equal(dir_make(p->fd, "a/b/c", 0700, &e), 0);
	assert_true(path_is_dir(p->fd, "a/b/c"));
	put(p->fd, "a/f", "12345");
	put(p->fd, "a/b/g", "123");
	assert_int_equal(symlinkat("/etc/passwd", p->fd, "a/b/link"), 0);
	assert_int_equal(symlinkat("/", p->fd, "a/root"), 0);
	assert_int_equal(dir_make(p->fd, "a/f/x", 0700, &e), -ENOTDIR);
	assert_int_equal(dir_make(p->fd, "a/f", 0700, &e), -ENOTDIR);
	assert_int_equal(dir_sync(p->fd, "a"), 0);
	assert_int_equal(dir_sync(p->fd, "none"), -ENOENT);
}

/* Links are removed, what they point to stays. */
static void test_tree_remove(void **state)
{
	struct scratch *p = *state;
	struct err e = {0};

	assert_int_equal(dir_make(p->fd, "keep", 0700, &e), 0);
	assert_int_equal(dir_make(p->fd, "gone/deep/er", 0700, &e), 0);
	put(p->fd, "keep/f", "kept");
	put(p->fd, "gone/deep/f", "x");
	assert_int_equal(symlinkat("../../keep", p->fd, "gone/deep/link"), 0);
	assert_int_equal(tree_remove(p->fd, "gone", &e), 0);
	assert_false(path_exists(p->fd, "gone"));
	assert_content(p->fd, "keep/f", "kept");
	assert_int_equal(symlinkat("keep", p->fd, "link"), 0);
	assert_int_equal(tree_remove(p->fd, "link", &e), 0);
	assert_content(p->fd, "keep/f", "kept");
	assert_int_equal(tree_remove(p->fd, "never/was", &e), 0);
	assert_int_equal(tree_remove(p->fd, "keep/f", &e), 0);
	assert_false(path_exists(p->fd, "keep/f"));
}

static void test_copy_and_hash(void **state)
{
	struct scratch *p = *state;
	OWN(freep) char *big = malloc(300000);
	char one[HASH_HEX_LEN], two[HASH_HEX_LEN];
	struct err e = {0};
	struct stat st;

	memset(big, 'z', 300000);
	assert_int_equal(file_write_atomic(p->fd, "big", big, 300000, 0750, &e), 0);
	assert_int_equal(file_copy(p->fd, "big", p->fd, "copy", &e), 0);
	assert_int_equal(hash_file(p->fd, "big", one, &e), 0);
	assert_int_equal(hash_file(p->fd, "copy", two, &e), 0);
	assert_string_equal(one, two);
	hash_bytes(big, 300000, two);
	assert_string_equal(one, two);
	assert_int_equal(fstatat(p->fd, "copy", &st, 0), 0);
	assert_int_equal(st.st_mode & 0700, 0700);
	assert_int_equal(file_copy(p->fd, "none", p->fd, "copy2", &e), -ENOENT);
	assert_int_equal(hash_file(p->fd, "none", one, &e), -ENOENT);
	assert_false(path_exists(p->fd, "copy2"));
}

static void test_paths(void **state)
{
	static const struct {
		const char *path;
		bool inside;
	} cases[] = {
		{"a", true},	 {"a/b", true},	 {"a/", true},	  {"a/...", true},
		{".a/b.", true}, {"", false},	 {"/", false},	  {"/a", false},
		{".", false},	 {"..", false},	 {"a/..", false}, {"a/../b", false},
		{"./a", false},	 {"a/.", false}, {"a//b", false},
	};
	char buf[8];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (path_is_inside(cases[i].path) != cases[i].inside)
			fail_msg("'%s' must be %d", cases[i].path, cases[i].inside);
	assert_true(path_join(buf, sizeof(buf), "abc", "def"));
	assert_string_equal(buf, "abc/def");
	assert_true(path_join(buf, sizeof(buf), "abc/", "def"));
	assert_string_equal(buf, "abc/def");
	assert_true(path_join(buf, sizeof(buf), "", "x"));
	assert_string_equal(buf, "x");
	assert_false(path_join(buf, sizeof(buf), "abcd", "def"));
}

static void test_socket_address(void **state)
{
	struct scratch *p = *state;
	OWN(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	char name[128];
	socklen_t len;

	assert_int_equal(socket_address(p->fd, "s.sock", &address, &len), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_true(path_exists(p->fd, "s.sock"));
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(socket_address(p->fd, name, &address, &len), -ENAMETOOLONG);
}

static void test_json_file(void **state)
{
	struct scratch *p = *state;
	json_t *j = NULL;
	struct err e = {0};

	put(p->fd, "j", "{\"a\": [1, 2]}");
	assert_int_equal(json_read_file(p->fd, "j", 100, &j, &e), 0);
	OWN(freep) char *pretty = json_pretty(j);

	assert_string_equal(pretty, "{\n  \"a\": [\n    1,\n    2\n  ]\n}\n");
	json_decref(TAKE(j));
	assert_int_equal(json_read_file(p->fd, "j", 5, &j, &e), -ERR_LIMIT);
	put(p->fd, "j", "{");
	assert_int_equal(json_read_file(p->fd, "j", 100, &j, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "j: not valid JSON at line 1"));
	assert_int_equal(json_read_file(p->fd, "none", 100, &j, &e), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read_limit, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_atomic_write, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_directories, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_tree_remove, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_copy_and_hash, scratch_setup,
						scratch_teardown),
		cmocka_unit_test(test_paths),
		cmocka_unit_test_setup_teardown(test_socket_address, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(test_json_file, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
