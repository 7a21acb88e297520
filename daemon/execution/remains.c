/* SPDX-License-Identifier: MIT */
/*
 * One function for each kind of owner (cgroup, PID namespace, marks) that ends the processes and
 * says whether their end is proven. Also the signals to a shim, and orphans.
 */
#include "daemon/execution/remains.h"

#include "base/cgroup.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/execution/execution.h"
#include "wire/control.h"
#include "wire/owner.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define CHILDREN_MAX (1 << 20) /* bytes of one thread's list */

/* ---- one function for each mechanism ---- */

/* A cgroup with processes cannot be removed, and neither can its parents, so a missing one has no
 * processes. */
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

/* The init's parent sees it as dead only after all processes of its namespace have ended. */
static enum remains end_namespace(const struct process_owner *o)
{
	return proc_signal(o->init, o->init_start, SIGKILL) == -ESRCH ? REMAINS_NONE : REMAINS_SOME;
}

static enum remains end_marked(struct manager *mgr, int64_t mark, bool adopts)
{
	enum remains adopted = adopts && mark ? remains_reap(mgr) : REMAINS_UNKNOWN;

	return proc_kill_by_mark(mark, SIGKILL) ? REMAINS_SOME : adopted;
}

/* End the processes without an owner record: the directory is gone, or the job has truncated the
 * lock file. */
static enum remains end_unrecorded(const struct remains_of *of)
{
	char entry[sizeof(EXECUTION_ENV_ID) + ID_LEN + 1];
	struct process_owner guess = {.kind = OWNER_CGROUP};
	char own[PATH_MAX];
	OWN(closep) int fd = -1;
	int marked, named;

	if (of->dirfd >= 0 && !path_exists(of->dirfd, EXECUTION_EXIT_TMP))
		return REMAINS_NONE; /* the cgroup is created before the program starts */
	if (cgroup_own(own, sizeof(own)) >= 0 &&
	    snprintf(guess.cgroup, sizeof(guess.cgroup), "%s/" OWNER_CGROUP_PREFIX "%s", own,
		     of->id) < (int)sizeof(guess.cgroup) &&
	    cgroup_open(guess.cgroup, &fd) >= 0)
		return end_cgroup(&guess);
	str_must_format(entry, sizeof(entry), "%s=%s", EXECUTION_ENV_ID, of->id);
	marked = proc_kill_by_mark(proc_mark_make(of->id), SIGKILL);
	named = proc_kill_by_env(entry, SIGKILL);
	return marked || named ? REMAINS_SOME : REMAINS_UNKNOWN;
}

enum remains remains_end(struct manager *mgr, const struct remains_of *of)
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
	return end_marked(mgr, o.mark, of->adopts);
}

/* ---- the shim ---- */

/* Find the shim by its own record, or by the row if the job has removed the record. Returns false
 * if neither is known. */
static bool shim_find(const struct remains_of *of, pid_t *ret_pid, int64_t *ret_start)
{
	struct process_owner o;
	char state;

	if (of->lock_fd >= 0 && owner_read(of->lock_fd, of->id, &o, NULL) >= 0) {
		*ret_pid = o.shim;
		*ret_start = o.shim_start;
		return true;
	}
	*ret_pid = of->shim;
	return of->shim > 0 && proc_has_argument(of->shim, 1, of->dir) &&
	       proc_stat(of->shim, &state, ret_start);
}

bool remains_shim_is_stopped(const struct remains_of *of)
{
	int64_t start, known;
	pid_t pid;
	char state;

	return shim_find(of, &pid, &known) && proc_stat(pid, &state, &start) && start == known &&
	       (state == 'T' || state == 't');
}

bool remains_signal_shim(const struct remains_of *of, int sig)
{
	int64_t start;
	pid_t pid;

	return shim_find(of, &pid, &start) && proc_signal(pid, start, sig) >= 0;
}

/* True if the kernel reports that the shim listens on this socket: a job may have replaced it by
 * another socket or a link. No job runs before the shim has written its record. */
static bool is_of_shim(const struct remains_of *of, int fd)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);
	int64_t start;
	pid_t pid;

	return !shim_find(of, &pid, &start) ||
	       (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid == pid);
}

bool remains_stop_shim(const struct remains_of *of)
{
	struct control_request req = {.op = CONTROL_STOP, .grace_ms = -1};
	OWN(json_decrefp) json_t *msg = control_request_format(&req);
	OWN(freep) char *text = msg ? json_text(msg) : NULL;
	OWN(closep) int fd = -1;

	if (!text)
		return false;
	/* A shim listens before it writes its record. If a recorded shim cannot be reached, its
	 * queue is full, or the job has removed or replaced the socket: send the signal. Without a
	 * record no shim listens yet. */
	if (control_connect(of->dirfd, &fd, NULL) < 0 || !is_of_shim(of, fd))
		return remains_signal_shim(of, SIGTERM);
	return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* ---- orphans ---- */

static bool is_shim(const struct manager *mgr, pid_t pid)
{
	if (shim_is_child(mgr, pid))
		return true;
	for (const struct execution *ex = mgr->executions; ex; ex = ex->next)
		if (ex->row.pid == pid)
			return true;
	return false;
}

/* An ended child without a mark, for instance of a credential_process. A library of this process
 * may be about to wait for it, so reap it only if it is still there at a later check. */
static void reap_unmarked(struct manager *mgr, pid_t pid, int64_t start)
{
	int64_t now = clock_mono_us();
	struct ended_child *oldest = mgr->ended_children;

	for (size_t i = 0; i < MANAGER_ENDED_CHILDREN; i++) {
		struct ended_child *c = &mgr->ended_children[i];

		if (c->pid == pid && c->start == start) {
			if (now - c->seen_us >= MANAGER_RESCAN_US)
				waitpid(pid, NULL, WNOHANG);
			return;
		}
		if (c->seen_us < oldest->seen_us)
			oldest = c;
	}
	if (!oldest->pid ||
	    now - oldest->seen_us > 2 * MANAGER_RESCAN_US) /* otherwise at a later check */
		*oldest = (struct ended_child){.pid = pid, .start = start, .seen_us = now};
}

/* An orphan of an execution has its mark; other orphans (of a credential_process) are left alone. A
 * process that changed its user by setuid shows no mark, so its execution is unknown. */
static enum remains end_orphan(struct manager *mgr, pid_t pid)
{
	int64_t mark = proc_mark(pid), start;
	bool marked = mark > 0 && mark != proc_mark(getpid());
	char state;

	if (is_shim(mgr, pid) || mark == -ESRCH)
		return REMAINS_NONE;
	if (!proc_stat(pid, &state, &start))
		return REMAINS_SOME; /* no descriptor is free, or the process was just reaped */
	if (state == 'Z') {
		if (marked)
			waitpid(pid, NULL, WNOHANG);
		else
			reap_unmarked(mgr, pid, start);
		return REMAINS_NONE;
	}
	if (!marked)
		return mark < 0 ? REMAINS_UNKNOWN : REMAINS_NONE;
	return proc_signal(pid, start, SIGKILL) == -ESRCH ? REMAINS_NONE : REMAINS_SOME;
}

enum remains remains_reap(struct manager *mgr)
{
	OWN(buf_done) struct buf pids = BUF_INIT(CHILDREN_MAX);
	enum remains all = proc_children(getpid(), &pids) ? REMAINS_NONE : REMAINS_SOME;

	for (size_t at = 0; at + sizeof(pid_t) <= pids.len; at += sizeof(pid_t)) {
		enum remains one;
		pid_t pid;

		memcpy(&pid, pids.data + at, sizeof(pid));
		one = end_orphan(mgr, pid);
		if (one == REMAINS_SOME || all == REMAINS_NONE)
			all = one;
	}
	return all;
}
