/* SPDX-License-Identifier: MIT */
/* Walks the children of this process through /proc, and signals or counts them. */
#include "shim/tree.h"

#include "base/own.h"
#include "base/proc.h"

#include <signal.h>
#include <string.h>

#define TREE_BYTES_MAX (4 << 20) /* bytes of pids: a million processes */

int tree_signal(int sig)
{
	OWN(buf_done) struct buf pids = BUF_INIT(TREE_BYTES_MAX);
	int n = 0;

	if (!proc_children(getpid(), &pids))
		return -ENOSYS;
	/* the walk appends children to the list: breadth first */
	for (size_t at = 0; at + sizeof(pid_t) <= pids.len; at += sizeof(pid_t)) {
		pid_t pid;

		memcpy(&pid, pids.data + at, sizeof(pid));
		proc_children(pid, &pids);
		if (kill(pid, sig) == 0)
			n++;
	}
	return n;
}

int tree_has_below(pid_t pid)
{
	OWN(buf_done) struct buf pids = BUF_INIT(TREE_BYTES_MAX);

	return !proc_children(pid, &pids) ? -ENOSYS : pids.len > 0;
}
