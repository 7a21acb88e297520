/* SPDX-License-Identifier: MIT */
#include "daemon/remains.h"

#include "base/cgroup.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/execution.h"
#include "wire/control.h"
#include "wire/owner.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define CHILDREN_MAX (1 << 20) /* of one thread's list, as text */

/* ---- one way each ---- */

/* A cgroup that is gone had no process; so had one whose parents are gone. */
static enum remains end_cgroup(const struct process_owner *o)
{
	OWN(closep) int fd = -1;
	int r = cgroup_open(o->cgroup, &fd);

	if (r == -ENOENT)
		return REMAINS_NONE;
	if (r < 0)
		return REMAINS_UNKNOWN;
	r = cgroup_populated(fd);
	if (r < 0)
		return REMAINS_UNKNOWN;
	if (r)
		return cgroup_kill(fd) < 0 ? REMAINS_UNKNOWN : REMAINS_SOME;
	rmdir(o->cgroup);
	return REMAINS_NONE;
}

/* The init's parent sees it as dead only when all of its namespace has ended. */
static enum remains end_namespace(const struct process_owner *o)
{
	return proc_signal(o->init, o->init_start, SIGKILL) == -ESRCH ? REMAINS_NONE : REMAINS_SOME;
}

static enum remains end_marked(struct engine *e, int64_t mark, bool adopts)
{
	int n = proc_kill_by_mark(mark, SIGKILL);

	if (adopts)
		n += remains_reap(e);
	if (n)
		return REMAINS_SOME;
	return adopts && mark ? REMAINS_NONE : REMAINS_UNKNOWN;
}

/* No record: the directory is gone, or its job has cut the lock file. */
static enum remains end_unrecorded(const struct remains_of *of)
{
	char entry[sizeof(EXECUTION_ENV_ID) + ID_LEN + 1];
	struct process_owner guess = {.kind = OWNER_CGROUP};
	char own[PATH_MAX];
	OWN(closep) int fd = -1;
	int n;

	if (of->dirfd >= 0 && !path_exists(of->dirfd, EXECUTION_EXIT_TMP))
		return REMAINS_NONE; /* made before the program is started */
	if (cgroup_own(own, sizeof(own)) >= 0 &&
	    snprintf(guess.cgroup, sizeof(guess.cgroup), "%s/" OWNER_CGROUP_PREFIX "%s", own,
		     of->id) < (int)sizeof(guess.cgroup) &&
	    cgroup_open(guess.cgroup, &fd) >= 0)
		return end_cgroup(&guess);
	snprintf(entry, sizeof(entry), "%s=%s", EXECUTION_ENV_ID, of->id);
	n = proc_kill_by_mark(proc_mark_make(of->id), SIGKILL) + proc_kill_by_env(entry, SIGKILL);
	return n ? REMAINS_SOME : REMAINS_UNKNOWN;
}

enum remains remains_end(struct engine *e, const struct remains_of *of)
{
	struct process_owner o;

	if (of->lock_fd < 0 || owner_read(of->lock_fd, of->id, &o, NULL) < 0)
		return end_unrecorded(of);
	switch (o.kind) {
	case OWNER_CGROUP:
		return end_cgroup(&o);
	case OWNER_PID_NAMESPACE:
		return end_namespace(&o);
	case OWNER_SUBREAPER:
	case OWNER_KINDS_:
		break;
	}
	return end_marked(e, o.mark, of->adopts);
}

/* ---- the shim ---- */

bool remains_shim_is_stopped(const struct remains_of *of)
{
	int64_t start;
	struct process_owner o;
	char state;

	return of->lock_fd >= 0 && owner_read(of->lock_fd, of->id, &o, NULL) >= 0 &&
	       proc_stat(o.shim, &state, &start) && start == o.shim_start &&
	       (state == 'T' || state == 't');
}

bool remains_signal_shim(const struct remains_of *of, int sig)
{
	struct process_owner o;

	return of->lock_fd >= 0 && owner_read(of->lock_fd, of->id, &o, NULL) >= 0 &&
	       proc_signal(o.shim, o.shim_start, sig) >= 0;
}

bool remains_stop_shim(const struct remains_of *of)
{
	struct control_request req = {.op = CONTROL_STOP, .grace_ms = -1};
	OWN(json_decrefp) json_t *msg = control_request_format(&req);
	OWN(freep) char *text = msg ? json_text(msg) : NULL;
	OWN(closep) int fd = -1;

	if (!text)
		return false;
	/* It listens before it says who it is: without a socket that is full, or the job has
	 * removed it. Else no shim listens yet, or no more. */
	if (control_connect(of->dirfd, &fd, NULL) < 0)
		return remains_signal_shim(of, SIGTERM);
	return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* ---- orphans ---- */

static bool is_shim(const struct engine *e, pid_t pid)
{
	if (shim_is_child(e, pid))
		return true;
	for (const struct execution *ex = e->executions; ex; ex = ex->next)
		if (ex->row.pid == pid)
			return true;
	return false;
}

/* An orphan of an execution has its mark; others (of a credential_process) are not ours to end. */
static int end_orphan(const struct engine *e, pid_t pid)
{
	int64_t mark = proc_mark(pid), start;
	char state;

	if (!mark || mark == proc_mark(getpid()) || is_shim(e, pid) ||
	    !proc_stat(pid, &state, &start))
		return 0;
	if (state == 'Z') {
		waitpid(pid, NULL, WNOHANG);
		return 0;
	}
	proc_signal(pid, start, SIGKILL);
	return 1;
}

int remains_reap(struct engine *e)
{
	OWN(buf_done) struct buf text = BUF_INIT(CHILDREN_MAX);
	int n = 0;

	proc_children(getpid(), &text);
	for (size_t at = 0; at + sizeof(pid_t) <= text.len; at += sizeof(pid_t)) {
		pid_t pid;

		memcpy(&pid, text.data + at, sizeof(pid));
		n += end_orphan(e, pid);
	}
	return n;
}
