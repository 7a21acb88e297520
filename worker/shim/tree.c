/* SPDX-License-Identifier: MIT */
#include "worker/shim/tree.h"

#include "base/fileio.h"
#include "base/own.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <string.h>

#define TREE_BYTES_MAX	  (4 << 20) /* of pids: a million processes */
#define TREE_CHILDREN_MAX (4 << 20) /* of one thread's list, as text */

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Append the pids of a "children" text ("12 34 ") to `pids`. */
static void pids_add(const char *text, struct buf *pids)
{
	char *end;

	for (const char *p = text;; p = end) {
		pid_t pid = (pid_t)strtol(p, &end, 10);

		if (end == p || buf_put(pids, &pid, sizeof(pid)) < 0)
			return;
	}
}

/* The children of all threads of `pid`. false: the kernel does not list them. */
static bool children_add(pid_t pid, struct buf *pids)
{
	OWN(closedirp) DIR *d = NULL;
	char path[64];
	struct dirent *e;
	bool listed = true;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		OWN(buf_done) struct buf text = BUF_INIT(TREE_CHILDREN_MAX);
		char name[sizeof(e->d_name) + sizeof("/children")];

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(name, sizeof(name), "%s/children", e->d_name);
		if (file_read(dirfd(d), name, &text, NULL) >= 0)
			pids_add(buf_str(&text), pids);
		else
			listed = false;
	}
	return listed;
}

int tree_signal(int sig)
{
	OWN(buf_done) struct buf pids = BUF_INIT(TREE_BYTES_MAX);
	int n = 0;

	if (!children_add(getpid(), &pids))
		return -ENOSYS;
	/* The list grows at its end while we walk it: breadth first. */
	for (size_t at = 0; at + sizeof(pid_t) <= pids.len; at += sizeof(pid_t)) {
		pid_t pid;

		memcpy(&pid, pids.data + at, sizeof(pid));
		children_add(pid, &pids);
		if (kill(pid, sig) == 0)
			n++;
	}
	return n;
}

int tree_has_below(pid_t pid)
{
	OWN(buf_done) struct buf pids = BUF_INIT(TREE_BYTES_MAX);

	return !children_add(pid, &pids) ? -ENOSYS : pids.len > 0;
}
