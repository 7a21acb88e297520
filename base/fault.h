/* SPDX-License-Identifier: MIT */
/*
 * Named crash points for tests. In a build with -Dfaults=true, FAULT("store.commit.before") kills
 * the process with SIGKILL when TRAINYARD_FAULT names that point ("name", or "name:3" for the
 * third time it is reached). In other builds it is nothing. Every name is listed in
 * tests/faults/README.md.
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
