/* SPDX-License-Identifier: MIT */
#include "worker/shim/oom.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <limits.h>
#include <string.h>

#define OOM_TEXT_MAX 16384

int64_t oom_kills_parse(const char *memory_events)
{
	static const char key[] = "oom_kill ";

	for (const char *p = memory_events; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (str_starts(p, key))
			return strtoll(p + sizeof(key) - 1, NULL, 10);
	return -1;
}

const char *oom_cgroup_find(const char *proc_cgroup, int *ret_len)
{
	for (const char *p = proc_cgroup; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (!str_starts(p, "0::/"))
			continue;
		*ret_len = (int)strcspn(p + 3, "\n");
		return p + 3;
	}
	return NULL;
}

int64_t oom_kills_now(void)
{
	OWN(buf_done) struct buf cgroup = BUF_INIT(OOM_TEXT_MAX);
	OWN(buf_done) struct buf events = BUF_INIT(OOM_TEXT_MAX);
	char path[PATH_MAX];
	const char *name;
	int len;

	if (file_read(AT_FDCWD, "/proc/self/cgroup", &cgroup, NULL) < 0)
		return -1;
	name = oom_cgroup_find(buf_str(&cgroup), &len);
	if (!name || snprintf(path, sizeof(path), "/sys/fs/cgroup%.*s/memory.events", len, name) >=
			     (int)sizeof(path))
		return -1;
	if (file_read(AT_FDCWD, path, &events, NULL) < 0)
		return -1;
	return oom_kills_parse(buf_str(&events));
}
