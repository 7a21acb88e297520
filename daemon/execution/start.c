/* SPDX-License-Identifier: MIT */
/*
 * Starts a committed execution: the lock, the proof, the shim, and the row that records the start.
 * After a restart of the daemon this also starts executions that were committed but not started.
 * Manager's thread.
 */
#include "base/fault.h"
#include "base/log.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "daemon/execution/execution.h"
#include "daemon/execution/transfers.h"
#include "daemon/schedule/headroom.h"
#include "daemon/schedule/job_state.h"

#include <signal.h>
#include <string.h>
#include <sys/file.h>

static int take_lock(const char *dir, int *ret_fd, struct err *reterr)
{
	char path[SPEC_PATH_MAX + 16];
	OWN(closep) int fd = -1;

	str_must_format(path, sizeof(path), "%s/" EXECUTION_LOCK, dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_errno(reterr, errno, "lock %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* A small environment, plus the variables for transfers; the shim passes on those that spec.json
 * names. */
static const char **shim_environment(void)
{
	extern char **environ;
	size_t n = 0, names = 0;
	const char **envp;

	while (transfer_environment[names])
		names++;
	envp = calloc(names + 3, sizeof(*envp));
	if (!envp)
		return NULL;
	envp[n++] = "PATH=" EXECUTION_PATH;
	envp[n++] = "LANG=C.UTF-8";
	for (char **at = environ; *at && n < names + 2; at++) {
		size_t len = strcspn(*at, "=");

		for (size_t i = 0; i < names; i++)
			if (strlen(transfer_environment[i]) == len &&
			    strncmp(*at, transfer_environment[i], len) == 0)
				envp[n++] = *at;
	}
	return envp;
}

/* Runs in the child: blocks SIGTERM, so that a stop waits until the shim handles signals instead of
 * killing it. */
static int hold_sigterm(void)
{
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	return sigprocmask(SIG_BLOCK, &term, NULL) < 0 ? -errno : 0;
}

/* Start the shim: the lock is fd 3, the pipe with the secret fd 4, stdin and stdout are empty,
 * stderr is the job's log. */
static int spawn_shim(struct manager *mgr, struct execution *ex, pid_t *ret_pid, struct err *reterr)
{
	const struct execution_row *row = &ex->row;
	const char *const argv[] = {mgr->settings->shim, row->dir, NULL};
	OWN(freep) const char **envp = shim_environment();
	OWN(closep) int lock = -1;
	OWN(closep) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	OWN(closep) int log = -1;
	OWN(closep) int proof = -1;
	char path[SPEC_PATH_MAX + 16];
	struct proc_spec spec = {
		.path = mgr->settings->shim,
		.argv = argv,
		.envp = envp,
		.cwd = "/",
		.new_session = true,
		.prepare = hold_sigterm,
	};
	int r;

	str_must_format(path, sizeof(path), "%s/" EXECUTION_LOG, row->dir);
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (null < 0 || log < 0)
		return err_errno(reterr, errno, "open %s", path);
	r = take_lock(row->dir, &lock, reterr);
	if (r >= 0)
		r = proof_pipe(ex->proof, &proof, reterr);
	if (r < 0)
		return r;
	spec.fds[0] = (struct proc_fd){null, 0};
	spec.fds[1] = (struct proc_fd){null, 1};
	spec.fds[2] = (struct proc_fd){log, 2};
	spec.fds[3] = (struct proc_fd){lock, EXECUTION_LOCK_FD};
	spec.fds[4] = (struct proc_fd){proof, EXECUTION_PROOF_FD};
	spec.fds_n = 5;
	closep(&ex->lock_fd);
	ex->lock_fd = open(roots_fd_path(lock, path),
			   /* a separate open file, so that its lock is separate */
			   O_RDONLY | O_CLOEXEC);
	r = ex->lock_fd < 0 ? err_errno(reterr, errno, "open " EXECUTION_LOCK)
			    : proc_spawn(&spec, ret_pid, reterr);
	if (r >= 0)
		explicit_bzero(ex->proof, sizeof(ex->proof));
	return r;
}

/* Record that the shim runs. */
int execution_mark_running(struct manager *mgr, struct execution *ex, struct err *reterr)
{
	OWN(job_row_done) struct job_row job = {0};
	struct reason none = {0};
	int64_t now = clock_now_us();
	int r = store_execution_set_state(mgr->store, ex->row.id, EXECUTION_RUNNING, ex->row.pid,
					  now, reterr);

	if (r < 0 || !ex->row.job[0])
		return r;
	r = store_job_get(mgr->store, ex->row.job, &job, reterr);
	if (r >= 0)
		r = store_attempt_set_state(mgr->store, job.id, ex->row.attempt, ATTEMPT_RUNNING,
					    &none, now, reterr);
	if (r >= 0 && job.state == STATE_STARTING)
		r = job_move(mgr, job.id, STATE_STARTING, STATE_RUNNING, &none, reterr);
	return r;
}

static int start_shim(struct manager *mgr, struct execution *ex, struct err *reterr)
{
	pid_t pid = 0;
	int r;

	FAULT("launch.before");
	r = spawn_shim(mgr, ex, &pid, reterr);
	FAULT("launch.spawned");
	if (r < 0)
		return r;
	ex->row.pid = pid;
	ex->adopts = mgr->adopts;
	ex->row.state = EXECUTION_RUNNING;
	slots_publish(mgr);
	if (shim_watch(mgr, pid, ex->row.id) < 0)
		log_event(LOG_LEVEL_WARNING, "child_not_watched", "execution=%s", ex->row.id);
	/* the shim runs: the rescan opens its directory */
	if (execution_attach(mgr, ex, reterr) < 0)
		log_event(LOG_LEVEL_WARNING, "execution_not_opened",
			  "execution=%s retrying msg=\"%s\"", ex->row.id, reterr->msg);
	return 0;
}

/* Create a new secret for an execution that the previous daemon committed but did not start, in a
 * separate transaction. */
static int renew_proof(struct manager *mgr, struct execution *ex)
{
	struct err err = {0};
	int r = proof_new(ex->proof, ex->row.proof, &err);

	if (r >= 0)
		r = txn_begin(mgr, &err);
	if (r >= 0) {
		r = store_execution_set_proof(mgr->store, ex->row.id, ex->row.proof, &err);
		if (r < 0)
			txn_fail(mgr, r, &err);
		r = txn_end(mgr, NULL);
	}
	if (r < 0)
		explicit_bzero(ex->proof, sizeof(ex->proof));
	return r;
}

void execution_start(struct manager *mgr, struct execution *ex)
{
	struct err err = {0};
	int r;

	if (!ex->proof[0] && renew_proof(mgr, ex) < 0) {
		ex->unstarted = true;
		return;
	}
	spare_release(&mgr->spare);
	r = start_shim(mgr, ex, &err);
	spare_fill(&mgr->spare);
	ex->unstarted = headroom_is_missing(r);
	if (ex->unstarted) {
		log_event(LOG_LEVEL_WARNING, "start_waits", "execution=%s msg=\"%s\"", ex->row.id,
			  err.msg);
		return;
	}
	if (txn_begin(mgr, NULL) < 0)
		return; /* the rescan finds out what happened */
	if (r < 0) {
		struct exit_record rec = {.cause = EXIT_EXEC_FAILED, .code = -1};

		str_excerpt(rec.message, sizeof(rec.message), err.msg);
		r = execution_end(mgr, ex, &rec, REASON_NONE, &err);
	} else {
		r = execution_mark_running(mgr, ex, &err);
	}
	if (r < 0)
		txn_fail(mgr, r, &err);
	txn_end(mgr, NULL);
}
