/* SPDX-License-Identifier: MIT */
/*
 * Named crash points for tests. In a build with -Dfaults=true, FAULT("store.commit.before") kills
 * the process with SIGKILL if TRAINYARD_FAULT names that point ("name", or "name:3" for the third
 * pass). If TRAINYARD_FAULT_HOLD names a pipe, the thread waits there instead. It goes on
 * when a reader has opened and closed the pipe, and then a writer has. In other builds FAULT does
 * nothing. tests/faults/README.md lists every name.
 */
#pragma once

#ifdef TRAINYARD_FAULTS
void fault_point(const char *name);
#define FAULT(name) fault_point(name)
#else
#define FAULT(name)                   \
	do {                          \
		if (0)                \
			(void)(name); \
	} while (0)
#endif
