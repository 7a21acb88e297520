/* SPDX-License-Identifier: MIT */
/*
 * Reads the count of kills from memory.events of this cgroup, or of the nearest ancestor that has
 * the file.
 */
#include "shim/oom.h"

#include "base/cgroup.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <limits.h>
#include <string.h>

#define OOM_TEXT_MAX 16384
#define EVENTS_FILE  "/memory.events"

int64_t oom_kills_parse(const char *memory_events)
{
	static const char key[] = "oom_kill ";

	for (const char *p = memory_events; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (str_starts(p, key))
			return strtoll(p + sizeof(key) - 1, NULL, 10);
	return -1;
}

/* A cgroup without a memory controller has no memory.events. The nearest ancestor that has one
 * counts for it. */
int64_t oom_kills_now(void)
{
	OWN(buf_done) struct buf events = BUF_INIT(OOM_TEXT_MAX);
	char dir[PATH_MAX], path[PATH_MAX + sizeof(EVENTS_FILE)];

	if (cgroup_own(dir, sizeof(dir)) < 0)
		return -1;
	for (char *end = dir + strlen(dir); end; end = strrchr(dir, '/')) {
		*end = '\0';
		str_must_format(path, sizeof(path), "%s" EVENTS_FILE, dir);
		if (file_read(AT_FDCWD, path, &events, NULL) >= 0)
			return oom_kills_parse(buf_str(&events));
	}
	return -1;
}
