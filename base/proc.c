/* SPDX-License-Identifier: MIT */
/*
 * Starts programs, reads /proc, and sends signals. A pid counts as the same process only if its
 * start time is the same.
 */
#include "base/proc.h"

#include "base/cgroup.h"
#include "base/descriptors.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PROC_TEXT_MAX	  8192
#define PROC_ENV_MAX	  (4 << 20)
#define FD_PARK_BASE	  64	    /* above all target numbers in use */
#define PROC_CHILDREN_MAX (4 << 20) /* bytes of one thread's list */
#define STAT_START	  22	    /* field number in /proc/PID/stat; see proc(5) */
/* FNV-1a of 64 bits */
#define HASH_START	  UINT64_C(14695981039346656037)
#define HASH_PRIME	  UINT64_C(1099511628211)

static void fail_child(int report, int errnum)
{
	(void)!write(report, &errnum, sizeof(errnum));
	_exit(127);
}

/* Runs after the fork: async-signal-safe calls only. First moves the descriptors away, so that no
 * target number overwrites a source. */
static void run_child(const struct proc_spec *spec, int report)
{
	int parked[PROC_FDS_MAX], top = 2, r;
	sigset_t none;

	sigemptyset(&none);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (spec->new_session)
		setsid();
	descriptors_restore();
	report = fcntl(report, F_DUPFD_CLOEXEC, FD_PARK_BASE);
	if (report < 0)
		_exit(127);
	for (size_t i = 0; i < spec->fds_n; i++) {
		parked[i] = fcntl(spec->fds[i].from, F_DUPFD_CLOEXEC, FD_PARK_BASE);
		if (parked[i] < 0)
			fail_child(report, errno);
	}
	for (size_t i = 0; i < spec->fds_n; i++) {
		if (dup2(parked[i], spec->fds[i].to) < 0)
			fail_child(report, errno);
		if (spec->fds[i].to > top)
			top = spec->fds[i].to;
	}
	/* Close all other descriptors at the exec. On older kernels they all have O_CLOEXEC. */
	syscall(SYS_close_range, (unsigned)top + 1, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
	r = spec->prepare ? spec->prepare() : 0;
	if (r < 0)
		fail_child(report, -r);
	if (spec->cwd && chdir(spec->cwd) < 0)
		fail_child(report, errno);
	execve(spec->path, (char *const *)spec->argv, (char *const *)spec->envp);
	fail_child(report, errno);
}

int proc_spawn(const struct proc_spec *spec, pid_t *ret_pid, struct err *reterr)
{
	OWN(closep) int read_end = -1;
	OWN(closep) int write_end = -1;
	int pipefd[2], errnum = 0;
	sigset_t all, was;
	ssize_t n;
	pid_t pid;

	assert(spec->fds_n <= PROC_FDS_MAX);
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_errno(reterr, errno, "start %s", spec->path);
	read_end = pipefd[0];
	write_end = pipefd[1];
	sigfillset(&all);
	/* no signal handler of this process runs in the child */
	pthread_sigmask(SIG_SETMASK, &all, &was);
	pid = spec->cgroup_fd > 0 ? cgroup_fork(spec->cgroup_fd) : fork();
	if (pid == 0)
		run_child(spec, write_end);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (pid < 0)
		return err_errno(reterr, errno, "start %s", spec->path);
	close(TAKE_FD(write_end));
	do
		n = read(read_end, &errnum, sizeof(errnum));
	while (n < 0 && errno == EINTR);
	if (n == sizeof(errnum)) {
		waitpid(pid, NULL, 0);
		return err_errno(reterr, errnum, "start %s", spec->path);
	}
	*ret_pid = pid;
	return 0;
}

int proc_boot_id(char buf[BOOT_ID_LEN], struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(64);
	int r = file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &text, reterr);

	if (r < 0)
		return r;
	if (!str_format(buf, BOOT_ID_LEN, "%.*s", (int)strcspn(buf_str(&text), "\n"),
			buf_str(&text)))
		return err_set(reterr, ERR_CORRUPT, "/proc/sys/kernel/random/boot_id is no id");
	return 0;
}

/* Read /proc/PID/NAME into *out. Returns false if the process has ended. */
static bool read_proc(pid_t pid, const char *name, struct buf *out)
{
	char path[64];

	str_must_format(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return file_read(AT_FDCWD, path, out, NULL) >= 0;
}

bool proc_env(pid_t pid, const char *key, char *buf, size_t size)
{
	OWN(buf_done) struct buf env = BUF_INIT(PROC_ENV_MAX);
	size_t n = strlen(key);

	if (!read_proc(pid, "environ", &env))
		return false;
	for (const char *p = buf_str(&env), *end = p + env.len; p < end; p += strlen(p) + 1) {
		if (strncmp(p, key, n) == 0 && p[n] == '=') {
			return str_copy(buf, size, p + n + 1);
		}
	}
	return false;
}

bool proc_has_argument(pid_t pid, int n, const char *text)
{
	OWN(buf_done) struct buf all = BUF_INIT(PROC_TEXT_MAX);
	const char *at, *end;

	if (!read_proc(pid, "cmdline", &all))
		return false;
	end = buf_str(&all) + all.len;
	for (at = buf_str(&all); n > 0 && at < end; n--)
		at += strlen(at) + 1;
	return at < end && str_eq(at, text);
}

bool proc_name(pid_t pid, char *buf, size_t size)
{
	OWN(buf_done) struct buf text = BUF_INIT(PROC_TEXT_MAX);

	if (!read_proc(pid, "comm", &text))
		return false;
	str_excerptf(buf, size, "%.*s", (int)strcspn(buf_str(&text), "\n"), buf_str(&text));
	return true;
}

/* True if this error means that the process has ended. */
static bool is_gone(int errnum)
{
	return errnum == ENOENT || errnum == ESRCH;
}

/* As proc_stat(). -ESRCH if the process has ended; another error if it could not be read. */
static int read_stat(pid_t pid, char *ret_state, int64_t *ret_start)
{
	OWN(buf_done) struct buf text = BUF_INIT(PROC_TEXT_MAX);
	char path[64];
	const char *p;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = file_read(AT_FDCWD, path, &text, NULL);
	if (r < 0)
		return is_gone(-r) ? -ESRCH : r;
	p = strrchr(buf_str(&text), ')'); /* the name before it may contain spaces and ')' */
	if (!p || p[1] != ' ')
		return -EIO;
	*ret_state = p[2];
	p += 2;
	for (int field = 3; field < STAT_START && p; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	*ret_start = p ? strtoll(p, NULL, 10) : 0;
	return p ? 0 : -EIO;
}

bool proc_stat(pid_t pid, char *ret_state, int64_t *ret_start)
{
	return read_stat(pid, ret_state, ret_start) >= 0;
}

/* Append the pids of a "children" text ("12 34 ") to `pids`. Returns false if there is no room. */
static bool pids_add(const char *text, struct buf *pids)
{
	char *end;

	for (const char *p = text;; p = end) {
		pid_t pid = (pid_t)strtol(p, &end, 10);

		if (end == p)
			return true;
		if (buf_put(pids, &pid, sizeof(pid)) < 0)
			return false;
	}
}

bool proc_children(pid_t pid, struct buf *pids)
{
	OWN(closedirp) DIR *d = NULL;
	char path[64];
	struct dirent *e;
	bool listed = true;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	if (!d)
		return is_gone(errno);
	while ((e = readdir(d))) {
		OWN(buf_done) struct buf text = BUF_INIT(PROC_CHILDREN_MAX);
		char name[sizeof(e->d_name) + sizeof("/children")];

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		str_must_format(name, sizeof(name), "%s/children", e->d_name);
		if (file_read(dirfd(d), name, &text, NULL) < 0 || !pids_add(buf_str(&text), pids))
			listed = false;
	}
	return listed;
}

/* Returns 0 if that process has not ended, -ESRCH if it has, another error if this is unknown. */
static int look_for(pid_t pid, int64_t start)
{
	int64_t its;
	char state;
	int r = pid > 0 ? read_stat(pid, &state, &its) : -ESRCH;

	if (r < 0)
		return r;
	return its == start && state != 'Z' && state != 'X' ? 0 : -ESRCH;
}

int proc_signal(pid_t pid, int64_t start, int sig)
{
	OWN(closep) int fd = -1;
	int r;

	if (pid <= 0)
		return -ESRCH;
	fd = pidfd_open(pid, 0);
	if (fd < 0) /* EINVAL: the number now belongs to a thread of another process */
		return errno == EINVAL || is_gone(errno) ? -ESRCH : -errno;
	r = look_for(pid, start);
	if (r < 0)
		return r;
	return pidfd_send_signal(fd, sig, NULL, 0) < 0 ? -errno : 0;
}

int64_t proc_mark_make(const char *name)
{
	uint64_t hash = HASH_START;
	struct rlimit now;

	if (getrlimit(RLIMIT_LOCKS, &now) < 0)
		return 0;
	for (const char *p = name; *p; p++)
		hash = (hash ^ (unsigned char)*p) * HASH_PRIME;
	hash = hash >> 2 | 1; /* fits into a signed number and is not 0 */
	if (now.rlim_max != RLIM_INFINITY && hash >= now.rlim_max)
		hash = now.rlim_max > 1 ? hash % (now.rlim_max - 1) + 1 : 0;
	return (int64_t)hash;
}

int proc_mark_set(int64_t mark)
{
	struct rlimit limit = {(rlim_t)mark, (rlim_t)mark};

	return setrlimit(RLIMIT_LOCKS, &limit) < 0 ? -errno : 0;
}

int64_t proc_mark(pid_t pid)
{
	struct rlimit limit;

	if (prlimit(pid, RLIMIT_LOCKS, NULL, &limit) < 0)
		return -errno;
	return limit.rlim_max == RLIM_INFINITY ? 0 : (int64_t)limit.rlim_max;
}

static bool is_pid(const char *name)
{
	return isdigit((unsigned char)name[0]);
}

/* Returns 1 if the process has the mark and lives, 0 if not, an error if this is unknown. */
static int kill_marked(pid_t pid, int64_t mark, int sig)
{
	int64_t start;
	char state;
	int r;

	if (pid <= 0 || pid == getpid() || proc_mark(pid) != mark)
		return 0;
	r = read_stat(pid, &state, &start);
	if (r >= 0)
		r = proc_signal(pid, start, sig);
	return r == -ESRCH ? 0 : r < 0 ? r : 1;
}

int proc_kill_by_mark(int64_t mark, int sig)
{
	OWN(closedirp) DIR *d = NULL;
	struct dirent *e;
	int n = 0, failed = 0;

	if (mark <= 0)
		return 0;
	d = opendir("/proc");
	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		pid_t pid = is_pid(e->d_name) ? (pid_t)strtol(e->d_name, NULL, 10) : 0;
		int r = kill_marked(pid, mark, sig);

		if (r < 0)
			failed = r;
		else
			n += r;
	}
	return failed ? failed : n;
}

static bool env_has(const struct buf *env, const char *entry)
{
	size_t n = strlen(entry);

	for (const char *p = buf_str(env), *end = p + env->len; p < end; p += strlen(p) + 1)
		if (strncmp(p, entry, n) == 0 && p[n] == '\0')
			return true;
	return false;
}

int proc_kill_by_env(const char *entry, int sig)
{
	OWN(closedirp) DIR *d = opendir("/proc");
	struct dirent *e;
	int killed = 0;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		OWN(buf_done) struct buf env = BUF_INIT(PROC_ENV_MAX);
		pid_t pid;

		if (!is_pid(e->d_name))
			continue;
		pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (pid == getpid() || !read_proc(pid, "environ", &env) || !env_has(&env, entry))
			continue;
		if (kill(pid, sig) == 0)
			killed++;
	}
	return killed;
}
