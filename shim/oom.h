/* SPDX-License-Identifier: MIT */
/* Who ended it: the out-of-memory killer says so in the cgroup's memory.events (cgroup v2). */
#pragma once

#include <stdint.h>

/* "oom_kill N" of a memory.events text; -1 when it has none. */
int64_t oom_kills_parse(const char *memory_events);
/* Kills counted so far in this process's cgroup; -1 when that cannot be known. */
int64_t oom_kills_now(void);
