/* SPDX-License-Identifier: MIT */
/* The program of the execution and its descendants: start, stop, reap, and the phases between. */
#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/proc.h"
#include "base/str.h"
#include "shim/oom.h"
#include "shim/shim.h"
#include "shim/tree.h"

#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define OOM_SCORE_LEN 16

static void oom_score_set(const struct shim *s, const char *value)
{
	if (s->oom_fd >= 0)
		(void)!pwrite(s->oom_fd, value, strlen(value), 0);
}

/* Raise the shim's own score. The child inherits it at the fork, so it never runs with the old one.
 * `was` gets the old score; it stays empty if nothing was changed. */
static void oom_score_raise(const struct shim *s, struct buf *was)
{
	char score[OOM_SCORE_LEN];

	if (file_read(AT_FDCWD, SHIM_OOM_SCORE_FILE, was, NULL) < 0)
		return;
	if (strtol(buf_str(was), NULL, 10) >= SHIM_OOM_SCORE_ADJ) {
		buf_clear(was);
		return;
	}
	snprintf(score, sizeof(score), "%d", SHIM_OOM_SCORE_ADJ);
	oom_score_set(s, score);
}

static int spawn(struct shim *s, int null_fd, int out_fd, struct err *reterr)
{
	struct proc_spec spec = {
		.path = s->spec.argv[0],
		.argv = s->spec.argv,
		.envp = (const char *const *)s->spec.envp,
		.cwd = s->spec.cwd,
		.fds = {{null_fd, 0}, {out_fd, 1}, {out_fd, 2}},
		.fds_n = 3,
		.new_session = true,
		.cgroup_fd = s->ownership.cgroup_fd,
		.prepare = ownership_prepare(&s->ownership),
	};

	return proc_spawn(&spec, &s->child, reterr);
}

int child_start(struct shim *s, struct err *reterr)
{
	OWN(closep) int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	OWN(closep) int out_fd = -1;
	OWN(buf_done) struct buf was = BUF_INIT(OOM_SCORE_LEN);
	int r;

	if (null_fd < 0)
		return err_errno(reterr, errno, "open /dev/null");
	r = log_pipe_open(&s->pipe, &out_fd, reterr);
	if (r < 0)
		return r;
	s->oom_before = oom_kills_now();
	oom_score_raise(s, &was);
	s->record.started_us = clock_now_us();
	r = spawn(s, null_fd, out_fd, reterr);
	if (was.len)
		oom_score_set(s, was.data);
	shim_spec_started(&s->spec);
	malloc_trim(0);
	s->deadline_us = USEC_NEVER;
	if (s->spec.max_runtime_ms && s->spec.max_runtime_ms < USEC_NEVER / 2 / USEC_PER_MSEC)
		s->deadline_us = clock_mono_us() + s->spec.max_runtime_ms * USEC_PER_MSEC;
	return r;
}

/* Set the cause oom_killed if SIGKILL came from elsewhere while the cgroup counted a kill. */
static void blame_oom(struct shim *s)
{
	int64_t now = s->oom_before < 0 ? -1 : oom_kills_now();

	if (s->record.cause != EXIT_EXITED)
		return;
	if (now <= s->oom_before) {
		if (s->record.signal == SIGKILL)
			str_must_copy(
				s->record.message, sizeof(s->record.message),
				now < 0 ? "the sender is not known; dmesg shows if the kernel's "
					  "out-of-memory killer sent it"
					: "another process sent it, because the out-of-memory "
					  "killer has ended nothing in the cgroup");
		return;
	}
	if (s->record.signal == SIGKILL)
		s->record.cause = EXIT_OOM_KILLED;
	if (s->record.signal == SIGKILL || s->record.code != 0)
		str_assign(s->record.message,
			   "the out-of-memory killer ended a process of this execution");
}

static void child_ended(struct shim *s, int status)
{
	s->child = 0;
	s->record.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	s->record.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (s->phase == SHIM_RUNNING)
		blame_oom(s);
}

static void usage_add(struct exit_record *rec, const struct rusage *ru)
{
	rec->user_us += ru->ru_utime.tv_sec * USEC_PER_SEC + ru->ru_utime.tv_usec;
	rec->system_us += ru->ru_stime.tv_sec * USEC_PER_SEC + ru->ru_stime.tv_usec;
	if (ru->ru_maxrss * INT64_C(1024) > rec->max_rss_bytes)
		rec->max_rss_bytes = ru->ru_maxrss * INT64_C(1024);
}

/* Reap every process that has ended; fills s->record and s->none_left. */
static void child_reap(struct shim *s)
{
	struct rusage ru;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &ru)) > 0) {
		usage_add(&s->record, &ru);
		if (pid == s->child)
			child_ended(s, status);
		else if (pid == s->ownership.owner.init)
			s->ownership.owner.init = 0;
	}
	if (!s->child && ownership_only_init(&s->ownership))
		return; /* the next call reaps the init */
	s->none_left = pid < 0 && errno == ECHILD && ownership_release(&s->ownership);
}

/* A stopped process keeps SIGTERM pending, so wake it with SIGCONT. */
static void group_terminate(pid_t group)
{
	kill(-group, SIGTERM);
	kill(-group, SIGCONT);
}

/* Signal every descendant, wherever it hides. The init of a namespace ignores SIGTERM. */
static void all_signal(const struct shim *s, int sig)
{
	if (tree_signal(sig) < 0)
		proc_kill_by_mark(s->ownership.owner.mark, sig);
}

/* Name the sender in the record, because any process of the user can send SIGTERM. */
static void say_sender(struct shim *s, const struct signalfd_siginfo *from)
{
	char name[PROC_NAME_MAX] = "a process that has ended";

	if (from->ssi_code == SI_USER || from->ssi_code == SI_QUEUE) {
		proc_name((pid_t)from->ssi_pid, name, sizeof(name));
		str_excerptf(
			s->record.message, sizeof(s->record.message),
			"the supervisor got SIGTERM from process %u (%s) of user %u and stopped "
			"the job",
			from->ssi_pid, name, from->ssi_uid);
	}
}

void child_stop_by_signal(struct shim *s, const struct signalfd_siginfo *from)
{
	bool ran = s->phase == SHIM_RUNNING;

	child_stop(s, EXIT_STOPPED, s->spec.grace_ms);
	if (ran && s->phase == SHIM_STOPPING)
		say_sender(s, from);
}

void child_stop(struct shim *s, enum exit_cause cause, int64_t grace_ms)
{
	int64_t kill_at_us = clock_mono_us() + grace_ms * USEC_PER_MSEC;

	child_reap(s); /* reap first: a program that ended by itself was not stopped */
	if (!s->child || s->phase == SHIM_KILLING)
		return;
	if (s->phase == SHIM_RUNNING) {
		char text[32];

		s->phase = SHIM_STOPPING;
		s->record.cause = cause;
		s->kill_at_us = kill_at_us;
		if (cause == EXIT_TIMED_OUT)
			str_excerptf(s->record.message, sizeof(s->record.message),
				     "the job ran longer than max_runtime (%s)",
				     duration_format(text, s->spec.max_runtime_ms * USEC_PER_MSEC));
	}
	if (kill_at_us < s->kill_at_us)
		s->kill_at_us = kill_at_us;
	group_terminate(s->child);
}

static void kill_pass(struct shim *s, int64_t now_us)
{
	if (s->phase != SHIM_KILLING) {
		s->phase = SHIM_KILLING;
		s->kill_pause_ms = SHIM_KILL_MS;
	} else if (s->kill_pause_ms < SHIM_TICK_MS) {
		s->kill_pause_ms *= 2;
	}
	ownership_kill(&s->ownership);
	s->kill_at_us = now_us + s->kill_pause_ms * USEC_PER_MSEC;
}

void child_step(struct shim *s, int64_t now_us)
{
	child_reap(s);
	if (s->none_left)
		return;
	if (s->phase == SHIM_RUNNING && s->child && now_us >= s->deadline_us)
		child_stop(s, EXIT_TIMED_OUT, s->spec.grace_ms);
	if (!s->child && s->phase < SHIM_LEFTOVER) {
		int64_t kill_at_us = now_us + SHIM_LEFTOVER_MS * USEC_PER_MSEC;

		if (s->phase == SHIM_RUNNING || kill_at_us < s->kill_at_us)
			s->kill_at_us = kill_at_us;
		s->phase = SHIM_LEFTOVER;
		all_signal(s, SIGTERM);
		all_signal(s, SIGCONT);
	}
	if (s->phase != SHIM_RUNNING && now_us >= s->kill_at_us)
		kill_pass(s, now_us);
}
