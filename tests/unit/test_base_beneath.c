/* SPDX-License-Identifier: MIT */
/* base/beneath: what a job may put in the place of a file never blocks and never leads out. It is
 * refused with a sentence that names its kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/beneath.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "base/tree.h"
#include "tests/unit/scratch.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define MAX 10

struct place {
	char dir[64];
	int fd;
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	scratch_make(p->dir, sizeof(p->dir), "beneath");
	p->fd = open(p->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->fd >= 0);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	close(p->fd);
	scratch_remove(p->dir);
	free(p);
	return 0;
}

static void put(int at, const char *path, const char *text)
{
	assert_int_equal(file_write_atomic(at, path, text, strlen(text), 0640, NULL), 0);
}

static int open_it(int at, const char *path, enum beneath_links links, struct err *e)
{
	int fd = -1;
	int r = beneath_open(at, path, links, MAX, &fd, NULL, e);

	if (r >= 0) {
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	}
	return r;
}

static void refused(int at, const char *path, int code, const char *word)
{
	struct err e = {0};
	int r = open_it(at, path, BENEATH_NO_LINKS, &e);

	if (r != code || !strstr(e.msg, word))
		fail_msg("'%s' gave %d, '%s'", path, r, e.msg);
}

static void test_what_is_no_file_is_refused(void **state)
{
	struct place *p = *state;
	OWN(closep) int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	socklen_t len;

	assert_int_equal(mkfifoat(p->fd, "fifo", 0600), 0); /* nobody writes to it */
	assert_int_equal(mkdirat(p->fd, "dir", 0700), 0);
	assert_int_equal(socket_address(p->fd, "sock", &address, &len), 0);
	assert_int_equal(bind(sock, (struct sockaddr *)&address, len), 0);
	put(p->fd, "file", "1");
	assert_int_equal(symlinkat("file", p->fd, "link"), 0);
	assert_int_equal(symlinkat("dir", p->fd, "dirlink"), 0);
	put(p->fd, "dir/f", "1");
	refused(p->fd, "fifo", -ERR_INVALID, "fifo is a FIFO");
	refused(p->fd, "dir", -ERR_INVALID, "dir is a directory");
	refused(p->fd, "sock", -ERR_INVALID, "sock is a socket");
	refused(p->fd, "link", -ERR_INVALID, "link is a link");
	refused(p->fd, "dirlink/f", -ERR_INVALID, "is a link");
	refused(p->fd, "none", -ENOENT, "none");
	refused(p->fd, "file/x", -ENOTDIR, "file/x");
}

static void test_links_lead_nowhere_else(void **state)
{
	struct place *p = *state;
	struct err e = {0};

	put(p->fd, "file", "1");
	assert_int_equal(symlinkat("file", p->fd, "inner"), 0);
	assert_int_equal(symlinkat("/etc/passwd", p->fd, "outer"), 0);
	assert_int_equal(symlinkat("../../../../../../../../etc", p->fd, "up"), 0);
	assert_int_equal(symlinkat("/proc/self/fd/0", p->fd, "magic"), 0);
	assert_int_equal(open_it(p->fd, "inner", BENEATH_INNER_LINKS, &e), 0);
	assert_int_equal(open_it(p->fd, "outer", BENEATH_INNER_LINKS, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "leads out of its directory"));
	assert_int_equal(open_it(p->fd, "up/passwd", BENEATH_INNER_LINKS, &e), -ERR_INVALID);
	assert_int_equal(open_it(p->fd, "magic", BENEATH_INNER_LINKS, &e), -ERR_INVALID);
	refused(p->fd, "../etc/passwd", -ERR_INVALID, "leads out");
}

/* A directory beside the root whose name begins with the root's is not below it. */
static void test_a_sibling_with_a_longer_name_is_outside(void **state)
{
	struct place *p = *state;
	char sibling[80], file[96];
	struct err e = {0};

	str_must_format(sibling, sizeof(sibling), "%s-more", p->dir);
	str_must_format(file, sizeof(file), "%s/file", sibling);
	assert_int_equal(mkdir(sibling, 0700), 0);
	put(AT_FDCWD, file, "1");
	assert_int_equal(symlinkat(file, p->fd, "link"), 0);
	assert_int_equal(open_it(p->fd, "link", BENEATH_INNER_LINKS, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "leads out of its directory"));
	scratch_remove(sibling);
}

static void test_the_size_limit_at_and_past_it(void **state)
{
	struct place *p = *state;
	OWN(buf_done) struct buf text = BUF_INIT(MAX);
	OWN(closep) int huge = openat(p->fd, "huge", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct err e = {0};

	put(p->fd, "at", "0123456789");
	put(p->fd, "past", "0123456789x");
	assert_int_equal(ftruncate(huge, (off_t)1 << 40), 0); /* a hole: no space is used */
	assert_int_equal(beneath_read(p->fd, "at", &text, &e), 0);
	assert_string_equal(buf_str(&text), "0123456789");
	assert_int_equal(beneath_read(p->fd, "past", &text, &e), -ERR_LIMIT);
	assert_non_null(strstr(e.msg, "past has 11 bytes; at most 10 are read"));
	refused(p->fd, "huge", -ERR_LIMIT, "huge has 1099511627776 bytes");
}

/* Without root, / is another user's directory with a file of ours below it. */
static void test_another_users_file_is_refused(void **state)
{
	struct place *p = *state;
	OWN(closep) int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[128];

	put(p->fd, "mine", "1");
	if (geteuid() == 0)
		assert_int_equal(fchownat(p->fd, "mine", 12345, 0, 0), 0);
	snprintf(path, sizeof(path), "%s/mine", p->dir + 1);
	refused(top, path, -ERR_INVALID, "mine belongs to user ");
}

static void test_json(void **state)
{
	struct place *p = *state;
	OWN(json_decrefp) json_t *j = NULL;
	struct err e = {0};

	put(p->fd, "j", "{\"a\":1}");
	assert_int_equal(beneath_read_json(p->fd, "j", 100, &j, &e), 0);
	assert_int_equal(json_get_int(j, "a", 0), 1);
	put(p->fd, "j", "{");
	assert_int_equal(beneath_read_json(p->fd, "j", 100, &j, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "j: not valid JSON"));
}

/* Whatever has taken the name of a file of ours gives it back. */
static void test_a_name_that_was_taken(void **state)
{
	struct place *p = *state;
	struct err e = {0};
	int fd;

	assert_int_equal(mkfifoat(p->fd, "fifo", 0600), 0);
	assert_int_equal(dir_make(p->fd, "dir/deep", 0700, &e), 0);
	assert_int_equal(symlinkat("victim", p->fd, "link"), 0);
	put(p->fd, "victim", "kept");
	for (size_t i = 0; i < 3; i++) {
		const char *name = (const char *const[]){"fifo", "dir", "link"}[i];
		struct stat st;

		assert_int_equal(beneath_create(p->fd, name, 0600, &fd, &e), 0);
		assert_int_equal(write(fd, "x", 1), 1);
		close(fd);
		assert_int_equal(fstatat(p->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
		assert_true(S_ISREG(st.st_mode));
	}
	OWN(buf_done) struct buf text = BUF_INIT(MAX);

	assert_int_equal(beneath_read(p->fd, "victim", &text, &e), 0);
	assert_string_equal(buf_str(&text), "kept");
	assert_int_equal(dir_make(p->fd, "target/full", 0700, &e), 0);
	assert_int_equal(beneath_rename(p->fd, "victim", "target", &e), 0);
	buf_clear(&text);
	assert_int_equal(beneath_read(p->fd, "target", &text, &e), 0);
	assert_string_equal(buf_str(&text), "kept");
	assert_int_equal(beneath_rename(p->fd, "none", "target", &e), -ENOENT);
}

/* What RestrictSUIDSGID= of systemd does to a service. */
static int forbid_openat2(void **state)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = ARRAY_LEN(filter), .filter = filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_no_file_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_links_lead_nowhere_else, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_sibling_with_a_longer_name_is_outside,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_size_limit_at_and_past_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_another_users_file_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_name_that_was_taken, set_up, tear_down),
	};

	/* Once more without openat2, as in a service: every test holds there, too. */
	return cmocka_run_group_tests(tests, NULL, NULL) +
	       cmocka_run_group_tests(tests, forbid_openat2, NULL);
}
