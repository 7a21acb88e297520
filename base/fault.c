/* SPDX-License-Identifier: MIT */
/*
 * Reads TRAINYARD_FAULT, counts the passes of the named point, and kills the process at the chosen
 * pass.
 */
#include "base/fault.h"

#ifdef TRAINYARD_FAULTS

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void fault_point(const char *name)
{
	static int reached;
	const char *want = getenv("TRAINYARD_FAULT");
	size_t n = strlen(name);
	int at;

	if (!want || strncmp(want, name, n) != 0 || (want[n] && want[n] != ':'))
		return;
	at = want[n] ? (int)strtol(want + n + 1, NULL, 10) : 1;
	if (__atomic_add_fetch(&reached, 1, __ATOMIC_SEQ_CST) == at)
		raise(SIGKILL);
}

#else
typedef int fault_nothing; /* ISO C requires a declaration */
#endif
