/* SPDX-License-Identifier: MIT */
/* Kills by the kernel's out-of-memory killer, as the cgroup counts them in memory.events (cgroup
 * v2). */
#pragma once

#include <stdint.h>

/* The number N of the line "oom_kill N" in a memory.events text; -1: no such line. */
int64_t oom_kills_parse(const char *memory_events);
/* Kills so far in this process's cgroup; -1: not known. */
int64_t oom_kills_now(void);
