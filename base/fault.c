/* SPDX-License-Identifier: MIT */
/*
 * Reads TRAINYARD_FAULT, counts the passes of the named point, and kills the process at the chosen
 * pass, or lets its thread wait there.
 */
#include "base/fault.h"

#ifdef TRAINYARD_FAULTS

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Wait for a test: each open returns when the test has opened the other end. */
static void hold(const char *pipe)
{
	static const int ways[] = {O_WRONLY, O_RDONLY};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int fd = open(pipe, ways[i] | O_CLOEXEC);

		if (fd >= 0)
			close(fd);
	}
}

void fault_point(const char *name)
{
	static int reached;
	const char *want = getenv("TRAINYARD_FAULT"), *pipe = getenv("TRAINYARD_FAULT_HOLD");
	size_t n = strlen(name);
	int at;

	if (!want || strncmp(want, name, n) != 0 || (want[n] && want[n] != ':'))
		return;
	at = want[n] ? (int)strtol(want + n + 1, NULL, 10) : 1;
	if (__atomic_add_fetch(&reached, 1, __ATOMIC_SEQ_CST) != at)
		return;
	if (pipe)
		hold(pipe);
	else
		raise(SIGKILL);
}

#else
typedef int fault_nothing; /* ISO C requires a declaration */
#endif
