/* SPDX-License-Identifier: MIT */
/* aws/process: a credential_process that does not end is killed with all that it has started. The
 * time is over when this program's poll(2) says so. */
#include "aws/config.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/str.h"
#include "tests/unit/scratch.h"
#include "tests/unit/wait.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], note[80];

/* The pid that the helper has noted; 0: not yet. */
static pid_t helper(void)
{
	char text[32] = "";
	int fd = open(note, O_RDONLY | O_CLOEXEC);
	int64_t pid = 0;
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n < 1 || text[n - 1] != '\n')
		return 0;
	text[n - 1] = '\0';
	return str_to_i64(text, &pid) < 0 ? 0 : (pid_t)pid;
}

/* In the place of libc's: no output comes, and the time is over once the helper is there. */
int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	(void)fds;
	(void)n;
	(void)timeout_ms;
	wait_until(helper());
	return 0;
}

static bool has_ended(pid_t pid)
{
	int64_t start;
	char state;

	return !proc_stat(pid, &state, &start) || state == 'Z';
}

static void test_its_helper_is_killed_too(void **state)
{
	struct aws_keys keys = {0};
	char command[160];
	struct err e = {0};
	pid_t pid;

	(void)state;
	snprintf(command, sizeof(command), "/bin/sh -c \"sleep 3600 & echo $! >%s; wait\"", note);
	assert_true(aws_keys_from_process(command, &keys, &e) < 0);
	assert_non_null(strstr(e.msg, "cannot wait for the credential_process"));
	pid = helper();
	assert_true(pid > 0);
	wait_until(has_ended(pid));
}

static int set_up(void **state)
{
	scratch_make(dir, sizeof(dir), "credentials");
	snprintf(note, sizeof(note), "%s/pid", dir);
	return 0;
}

static int tear_down(void **state)
{
	scratch_remove(dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_its_helper_is_killed_too)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
