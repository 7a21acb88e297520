/* SPDX-License-Identifier: MIT */
/*
 * One pair of functions for each way of ownership: it tries the way in a child where it cannot be
 * undone, and then takes it.
 */
#include "shim/ownership.h"

#include "base/cgroup.h"
#include "base/own.h"
#include "base/proc.h"
#include "base/str.h"
#include "shim/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define INIT_NAME "trainyard-init"

/* ---- a cgroup ---- */

/* True if a child can be started in the cgroup. A seccomp filter may refuse it. */
static bool can_start_in(int cgroup_fd)
{
	pid_t pid = cgroup_fork(cgroup_fd);
	int status;

	if (pid == 0)
		_exit(0);
	return pid > 0 && waitpid(pid, &status, 0) == pid;
}

static bool take_cgroup(struct ownership *o, const char *id)
{
	char dir[sizeof(o->owner.cgroup)];
	int n;

	if (cgroup_own(dir, sizeof(dir)) < 0)
		return false;
	n = snprintf(o->owner.cgroup, sizeof(o->owner.cgroup), "%s/" OWNER_CGROUP_PREFIX "%s", dir,
		     id);
	if (n < (int)sizeof(o->owner.cgroup) &&
	    (mkdir(o->owner.cgroup, 0755) == 0 || errno == EEXIST) &&
	    cgroup_open(o->owner.cgroup, &o->cgroup_fd) >= 0 && cgroup_can_kill(o->cgroup_fd) &&
	    cgroup_populated(o->cgroup_fd) == 0 && can_start_in(o->cgroup_fd))
		return true;
	if (o->cgroup_fd >= 0)
		close(TAKE_FD(o->cgroup_fd));
	rmdir(o->owner.cgroup);
	o->owner.cgroup[0] = '\0';
	return false;
}

/* ---- a PID namespace ---- */

/* Mount a /proc that fits the namespace's pid numbers; otherwise libraries would look at other
 * processes. Runs in the program's child, or in the trial's. */
static int mount_proc(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	return 0;
}

static bool write_text(const char *path, const char *text)
{
	OWN(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* Make the next child the init of a new PID namespace. A plain user also needs a user namespace,
 * which maps the uid to itself. */
static bool unshare_pids(bool user)
{
	char uid[64], gid[64];
	bool written;

	snprintf(uid, sizeof(uid), "%u %u 1\n", geteuid(), geteuid());
	snprintf(gid, sizeof(gid), "%u %u 1\n", getegid(), getegid());
	if (unshare(CLONE_NEWPID | (user ? CLONE_NEWUSER : 0)) < 0)
		return false;
	if (!user)
		return true;
	prctl(PR_SET_DUMPABLE, 1); /* else root owns /proc/self; nothing has started yet */
	written = write_text("/proc/self/setgroups", "deny") &&
		  write_text("/proc/self/uid_map", uid) && write_text("/proc/self/gid_map", gid);
	prctl(PR_SET_DUMPABLE, 0);
	return written;
}

static bool wait_for_success(pid_t pid)
{
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

/* Try the namespace in child processes, because this process could not undo it. */
static bool try_namespace(bool user)
{
	pid_t pid = fork(), inner;

	if (pid != 0)
		return wait_for_success(pid);
	if (!unshare_pids(user))
		_exit(1);
	inner = fork();
	if (inner == 0)
		_exit(mount_proc() < 0);
	_exit(!wait_for_success(inner));
}

/* The namespace's first process. It reaps, and ends when the shim ends: by PR_SET_PDEATHSIG, or
 * because the shim's end of the pipe closes. The kernel then ends all other processes before this
 * one counts as dead (pid_namespaces(7)). */
static void run_init(int alive_fd)
{
	struct pollfd fds[2] = {{.fd = alive_fd, .events = POLLIN}, {.events = POLLIN}};
	struct signalfd_siginfo info;
	sigset_t set;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, INIT_NAME);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
	if (alive_fd > 3) /* close the lock and the shim's other descriptors */
		syscall(SYS_close_range, 3U, (unsigned)alive_fd - 1, 0);
	syscall(SYS_close_range, (unsigned)alive_fd + 1, ~0U, 0);
	fds[1].fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	while (fds[1].fd >= 0) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (poll(fds, 2, -1) > 0 && fds[0].revents)
			break;
		while (read(fds[1].fd, &info, sizeof(info)) > 0)
			;
	}
	_exit(0);
}

/* 1: taken, 0: this machine offers no namespace. Negative: the init could not start for lack of a
 * descriptor or process. The next child would then become the init, so no program may start. */
static int take_namespace(struct ownership *o, struct err *reterr)
{
	bool user = !try_namespace(false);
	char state;

	if ((user && !try_namespace(true)) || !unshare_pids(user))
		return 0;
	o->own_proc = true;
	if (pipe2(o->init_pipe, O_CLOEXEC) < 0)
		return err_errno(reterr, errno, "make a namespace of processes");
	o->owner.init = fork();
	if (o->owner.init < 0) {
		int errnum = errno;

		o->owner.init = 0;
		close(TAKE_FD(o->init_pipe[0]));
		close(TAKE_FD(o->init_pipe[1]));
		return err_errno(reterr, errnum, "start the init of a namespace of processes");
	}
	if (o->owner.init == 0) {
		close(o->init_pipe[1]);
		run_init(o->init_pipe[0]);
	}
	close(TAKE_FD(o->init_pipe[0]));
	if (!proc_stat(o->owner.init, &state, &o->owner.init_start))
		return err_errno(reterr, errno ? errno : ESRCH,
				 "look at the init of a namespace of processes");
	return 1;
}

/* ---- all of them ---- */

int ownership_take(struct ownership *o, const char *id, enum owner_kind first, struct err *reterr)
{
	char state;
	int r;

	*o = (struct ownership){.cgroup_fd = -1, .init_pipe = {-1, -1}};
	o->owner.shim = getpid();
	if (!proc_stat(o->owner.shim, &state, &o->owner.shim_start))
		o->owner.shim_start = 0;
	o->owner.mark = proc_mark_make(id);
	if (o->owner.mark && proc_mark_set(o->owner.mark) < 0)
		o->owner.mark = 0;
	o->owner.kind = OWNER_SUBREAPER;
	if (first == OWNER_CGROUP && take_cgroup(o, id)) {
		o->owner.kind = OWNER_CGROUP;
		return 0;
	}
	r = first <= OWNER_PID_NAMESPACE ? take_namespace(o, reterr) : 0;
	if (r > 0)
		o->owner.kind = OWNER_PID_NAMESPACE;
	return r < 0 ? r : 0;
}

int (*ownership_prepare(const struct ownership *o))(void)
{
	return o->own_proc ? mount_proc : NULL;
}

void ownership_kill(const struct ownership *o)
{
	if (o->cgroup_fd >= 0)
		(void)cgroup_kill(o->cgroup_fd);
	if (o->owner.init > 0)
		kill(o->owner.init, SIGKILL);
	if (tree_signal(SIGKILL) < 0)
		proc_kill_by_mark(o->owner.mark, SIGKILL);
}

bool ownership_only_init(const struct ownership *o)
{
	if (o->owner.init <= 0 || tree_has_below(o->owner.init) != 0)
		return false;
	kill(o->owner.init, SIGKILL);
	return true;
}

bool ownership_release(struct ownership *o)
{
	if (o->cgroup_fd < 0)
		return true;
	if (cgroup_populated(o->cgroup_fd) == 1)
		return false;
	close(TAKE_FD(o->cgroup_fd));
	rmdir(o->owner.cgroup);
	return true;
}
