/* SPDX-License-Identifier: MIT */
/* base/log: who does not read stderr holds nobody up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/own.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#define LINES 10000 /* far more than any of them holds */

static void log_to(int writer, int from, int lines)
{
	int was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	assert_true(dup2(writer, STDERR_FILENO) >= 0);
	for (int i = from; i < from + lines; i++)
		log_event(LOG_LEVEL_INFO, "line", "n=%d.", i);
	dup2(was, STDERR_FILENO);
	close(was);
	assert_false(fcntl(writer, F_GETFL) & O_NONBLOCK); /* others share it */
}

static size_t read_all(int reader, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
	while ((n = read(reader, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return len;
}

/* Log while the other end is not read, then read it: what was left out is said with the next line.
 */
static void check(int reader, int writer)
{
	static char text[1 << 22];
	int written = 0;
	const char *note;
	size_t len;

	log_to(writer, 0, LINES); /* it hung here, after 64 KiB */
	len = read_all(reader, text, sizeof(text));
	for (const char *at = text; (at = strstr(at, "event=line ")); at++)
		written++;
	assert_true(written > 0 && written < LINES && text[len - 1] == '\n');
	log_to(writer, LINES, 1);
	read_all(reader, text, sizeof(text));
	note = strstr(text, "warning event=log_lines_left_out n=");
	assert_non_null(note);
	assert_int_equal(strtol(strstr(note, "n=") + 2, NULL, 10), LINES - written);
	assert_non_null(strstr(note, "event=line n=10000."));
}

static void test_a_pipe_that_nobody_reads(void **state)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	check(ends[0], ends[1]);
	close(ends[0]);
	close(ends[1]);
}

static void test_a_socket_that_nobody_reads(void **state)
{
	int ends[2], size = 16384;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	check(ends[0], ends[1]);
	close(ends[0]);
	close(ends[1]);
}

static void test_a_terminal_that_nobody_reads(void **state)
{
	OWN(closep) int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	OWN(closep) int slave = -1;

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		skip(); /* this machine has no pseudo-terminals */
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	log_to(slave, 0, LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_pipe_that_nobody_reads),
		cmocka_unit_test(test_a_socket_that_nobody_reads),
		cmocka_unit_test(test_a_terminal_that_nobody_reads),
	};

	unsetenv("JOURNAL_STREAM");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
