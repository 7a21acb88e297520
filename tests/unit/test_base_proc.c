/* SPDX-License-Identifier: MIT */
/* base/proc: what a child gets and does not get, failures of exec, what /proc tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cgroup.h"
#include "base/own.h"
#include "base/proc.h"
#include "base/str.h"
#include "tests/unit/wait.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define SHELL "/bin/sh"

static const char *const environment[] = {"PATH=/usr/bin:/bin", "MARK=yes", NULL};

/* Run a line of shell with its stdout at us; the exit status. */
static int run(const char *line, struct proc_spec spec, struct buf *out)
{
	const char *const argv[] = {"sh", "-c", line, NULL};
	struct err e = {0};
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	spec.path = SHELL;
	spec.argv = argv;
	spec.envp = environment;
	spec.fds[spec.fds_n++] = (struct proc_fd){.from = ends[1], .to = 1};
	if (proc_spawn(&spec, &pid, &e) < 0)
		fail_msg("%s", e.msg);
	close(ends[1]);
	for (;;) {
		char *to = buf_reserve(out, 4096);
		ssize_t n = read(ends[0], to, 4096);

		if (n <= 0)
			break;
		buf_added(out, (size_t)n);
	}
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_environment_and_status(void **state)
{
	OWN(buf_done) struct buf out = BUF_INIT(1 << 16);

	setenv("NOT_HANDED_ON", "1", 1);
	assert_int_equal(run("echo \"$MARK,$NOT_HANDED_ON,$PWD\"; exit 3",
			     (struct proc_spec){.cwd = "/usr"}, &out),
			 3);
	assert_string_equal(buf_str(&out), "yes,,/usr\n");
}

/* Only 0, 1, 2 and the listed descriptors are open in the child, whatever is open here. */
static void test_descriptors(void **state)
{
	OWN(buf_done) struct buf out = BUF_INIT(1 << 16);
	OWN(closep) int leaky = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
	OWN(closep) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	OWN(closep) int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	/* 3 and 4 are sources too: crossing numbers must not overwrite each other. */
	struct proc_spec spec = {.fds = {{null, 4}, {zero, 3}}, .fds_n = 2};

	assert_true(leaky >= 0 && null >= 0 && zero >= 0);
	run("cd /proc/self/fd; for f in 3 4; do readlink $f; done; for f in *; do "
	    "[ -e $f ] && [ $f -gt 4 ] && readlink $f; done; true",
	    spec, &out);
	assert_string_equal(buf_str(&out), "/dev/zero\n/dev/null\n");
}

/* Blocked and ignored signals of ours are not the child's. */
static void test_signals(void **state)
{
	OWN(buf_done) struct buf out = BUF_INIT(1 << 16);
	sigset_t set, was;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &was), 0);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(
		run("grep -E '^Sig(Blk|Ign)' /proc/self/status", (struct proc_spec){0}, &out), 0);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &was, NULL);
	assert_string_equal(buf_str(&out),
			    "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void test_session(void **state)
{
	OWN(buf_done) struct buf out = BUF_INIT(1 << 16);

	run("set -- $(cut -d ' ' -f 1,6 /proc/$$/stat); [ $1 = $2 ] && echo own",
	    (struct proc_spec){.new_session = true}, &out);
	assert_string_equal(buf_str(&out), "own\n");
	buf_clear(&out);
	run("set -- $(cut -d ' ' -f 1,6 /proc/$$/stat); [ $1 = $2 ] || echo ours",
	    (struct proc_spec){0}, &out);
	assert_string_equal(buf_str(&out), "ours\n");
}

static void test_failures(void **state)
{
	static const char *const argv[] = {"x", NULL};
	struct proc_spec spec = {.argv = argv, .envp = environment};
	struct err e = {0};
	pid_t pid = -7;

	spec.path = "/nonexistent/program";
	assert_int_equal(proc_spawn(&spec, &pid, &e), -ENOENT);
	assert_string_equal(e.msg, "cannot start /nonexistent/program: No such file or directory");
	spec.path = "/etc/passwd";
	assert_int_equal(proc_spawn(&spec, &pid, &e), -EACCES);
	spec.path = SHELL;
	spec.cwd = "/nonexistent";
	assert_int_equal(proc_spawn(&spec, &pid, &e), -ENOENT);
	spec.cwd = NULL;
	spec.fds[0] = (struct proc_fd){.from = 9999, .to = 3};
	spec.fds_n = 1;
	assert_int_equal(proc_spawn(&spec, &pid, &e), -EBADF);
	assert_int_equal(pid, -7);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left behind */
	assert_int_equal(errno, ECHILD);
}

static void test_looking_at_processes(void **state)
{
	static const char *const argv[] = {"sleep", "60", NULL};
	char mark[64], longer[80]; /* of this process: another run of this test may be going on */
	const char *const envp[] = {mark, "OTHER=b", NULL};
	const struct proc_spec spec = {.path = "/bin/sleep", .argv = argv, .envp = envp};
	int status;
	pid_t pid;

	snprintf(mark, sizeof(mark), "TRAINYARD_TEST_MARK=%d", (int)getpid());
	snprintf(longer, sizeof(longer), "%s.", mark);
	assert_int_equal(proc_spawn(&spec, &pid, NULL), 0);
	assert_int_equal(proc_kill_by_env(longer, SIGKILL), 0);
	assert_int_equal(proc_kill_by_env("TRAINYARD_TEST_MARK", SIGKILL), 0);
	assert_int_equal(proc_kill_by_env(mark, SIGTERM), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	assert_int_equal(proc_kill_by_env(mark, SIGTERM), 0);
}

static void test_boot_id(void **state)
{
	char one[BOOT_ID_LEN], two[BOOT_ID_LEN];

	assert_int_equal(proc_boot_id(one, NULL), 0);
	assert_int_equal(proc_boot_id(two, NULL), 0);
	assert_int_equal(strlen(one), 36);
	assert_string_equal(one, two);
}

static void test_arguments_of_a_process(void **state)
{
	const char *argv[] = {"sleep", "300", NULL}, *envp[] = {NULL};
	struct proc_spec spec = {.path = "/bin/sleep", .argv = argv, .envp = envp};
	siginfo_t info;
	pid_t pid;

	assert_int_equal(proc_spawn(&spec, &pid, NULL), 0);
	assert_true(proc_has_argument(pid, 1, "300"));
	assert_true(proc_has_argument(pid, 0, "sleep"));
	assert_false(proc_has_argument(pid, 1, "30"));
	assert_false(proc_has_argument(pid, 2, "300"));
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(proc_has_argument(pid, 1, "300")); /* a zombie */
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(proc_has_argument(pid, 1, "300"));
}

/* What env -i and setsid do not take away. */
static void test_mark_outlives_environment_and_session(void **state)
{
	int64_t mark = proc_mark_make("xsomething"), start;
	pid_t pid = fork();
	char proc_state;
	int status;

	assert_true(mark > 0);
	assert_true(mark != proc_mark_make("xsomethinf"));
	if (pid == 0) {
		if (proc_mark_set(mark) < 0)
			_exit(1);
		execl("/usr/bin/env", "env", "-i", "/usr/bin/setsid", "/bin/sleep", "300", NULL);
		_exit(1);
	}
	wait_until(proc_has_argument(pid, 0, "/bin/sleep"));
	assert_int_equal(proc_mark(pid), mark);
	assert_true(proc_stat(pid, &proc_state, &start));
	assert_int_equal(proc_signal(pid, start, 0), 0);
	assert_int_equal(proc_signal(pid, start + 1, SIGKILL), -ESRCH); /* another of that pid */
	assert_int_equal(proc_kill_by_mark(mark, 0), 1);
	assert_int_equal(proc_kill_by_mark(mark, SIGKILL), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(proc_kill_by_mark(mark, SIGKILL), 0);
	assert_int_equal(proc_signal(pid, start, 0), -ESRCH);
}

/* "It has ended" is never the answer of a process that has no descriptor to look with. */
static void test_looking_without_descriptors_is_an_error(void **state)
{
	const struct rlimit none = {0, 0};
	int64_t mark = proc_mark_make("xnodescriptors"), start;
	char proc_state;
	pid_t marked = fork(), looker;
	int status;

	if (marked == 0) {
		if (proc_mark_set(mark) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	wait_until(proc_mark(marked) == mark);
	assert_true(proc_stat(marked, &proc_state, &start));
	looker = fork();
	if (looker == 0) {
		OWN(buf_done) struct buf pids = BUF_INIT(1 << 16);
		int wrong = 0;

		if (setrlimit(RLIMIT_NOFILE, &none) < 0)
			_exit(100);
		wrong |= proc_kill_by_mark(mark, SIGKILL) != -EMFILE ? 1 : 0;
		wrong |= proc_signal(marked, start, SIGKILL) != -EMFILE ? 2 : 0;
		wrong |= proc_kill_by_env("NO=one", SIGKILL) != -EMFILE ? 4 : 0;
		wrong |= proc_children(getpid(), &pids) ? 8 : 0;
		_exit(wrong);
	}
	assert_int_equal(waitpid(looker, &status, 0), looker);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(proc_kill_by_mark(mark, SIGKILL), 1);
	assert_int_equal(waitpid(marked, &status, 0), marked);
	assert_int_equal(proc_signal(marked, start, SIGKILL), -ESRCH);
}

static void test_cgroup_texts(void **state)
{
	const char *cgroup = "4:memory:/a\n0::/trainyard.slice/x.scope\n";
	char point[64], root[64];
	int len = 0;

	assert_ptr_equal(cgroup_find(cgroup, &len), strstr(cgroup, "/trainyard"));
	assert_int_equal(len, (int)strlen("/trainyard.slice/x.scope"));
	assert_null(cgroup_find("4:memory:/a\n", &len));
	assert_true(cgroup_mount_find("36 35 98:0 / /proc rw - proc proc rw\n"
				      "42 35 0:28 /part /sys/fs/cgroup rw,nosuid shared:9 - "
				      "cgroup2 cgroup2 rw,nsdelegate\n",
				      point, root, sizeof(point)));
	assert_string_equal(point, "/sys/fs/cgroup");
	assert_string_equal(root, "/part");
	assert_false(cgroup_mount_find("36 35 98:0 / /sys/fs/cgroup/pids rw - cgroup c rw,pids\n",
				       point, root, sizeof(point)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment_and_status),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_looking_at_processes),
		cmocka_unit_test(test_boot_id),
		cmocka_unit_test(test_arguments_of_a_process),
		cmocka_unit_test(test_mark_outlives_environment_and_session),
		cmocka_unit_test(test_looking_without_descriptors_is_an_error),
		cmocka_unit_test(test_cgroup_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
