/* SPDX-License-Identifier: MIT */
/*
 * trainyard-shim DIR: the daemon starts it in a session of its own, with the flocked DIR/lock as
 * descriptor 3. It sets up, starts the program, loops until every descendant is gone, and writes
 * exit.json. SIGTERM is a stop request; SIGHUP and SIGINT are ignored.
 */
#include "base/beneath.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/id.h"
#include "base/own.h"
#include "base/str.h"
#include "base/tree.h"
#include "base/version.h"
#include "shim/record.h"
#include "shim/shim.h"

#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

static void say(const struct err *e)
{
	fprintf(stderr, "trainyard-shim: %s\n", e->msg);
}

/* Check that descriptor 3 is DIR/lock, locked by the open file that the shim inherited. */
static int take_lock(const struct shim *s, struct err *reterr)
{
	struct stat ours, file;

	if (fstat(EXECUTION_LOCK_FD, &ours) < 0 ||
	    fstatat(s->dirfd, EXECUTION_LOCK, &file, AT_SYMLINK_NOFOLLOW) < 0 ||
	    ours.st_dev != file.st_dev || ours.st_ino != file.st_ino)
		return err_set(reterr, ERR_INVALID, "descriptor %d must be %s/%s",
			       EXECUTION_LOCK_FD, s->dir, EXECUTION_LOCK);
	if (flock(EXECUTION_LOCK_FD, LOCK_EX | LOCK_NB) < 0)
		return err_errno(reterr, errno, "take %s/%s, which another process holds", s->dir,
				 EXECUTION_LOCK);
	if (fcntl(EXECUTION_LOCK_FD, F_SETFD, FD_CLOEXEC) < 0)
		return err_errno(reterr, errno, "keep %s from the program", EXECUTION_LOCK);
	return 0;
}

static int open_dir(struct shim *s, const char *path, struct err *reterr)
{
	if (!realpath(path, s->dir))
		return err_errno(reterr, errno, "find %s", path);
	s->dirfd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0 || chdir("/") < 0)
		return err_errno(reterr, errno, "open %s", s->dir);
	if (path_exists(s->dirfd, EXECUTION_EXIT))
		return err_set(reterr, ERR_EXISTS,
			       "%s already has an %s, so this execution has run", s->dir,
			       EXECUTION_EXIT);
	return take_lock(s, reterr);
}

/* Read the secret of the record (wire/execution.h). From here on no unprivileged process of this
 * user may trace the shim or read its memory. A shim that was started by hand has no secret. */
static int take_proof(struct shim *s, struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(sizeof(s->proof) - 1);
	struct stat st;
	int r;

	s->oom_fd = open(SHIM_OOM_SCORE_FILE, O_WRONLY | O_CLOEXEC);
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_errno(reterr, errno, "hide the shim's memory");
	if (fstat(EXECUTION_PROOF_FD, &st) < 0 || !S_ISFIFO(st.st_mode))
		return 0;
	r = fd_read_all(EXECUTION_PROOF_FD, "the proof", &text, reterr);
	close(EXECUTION_PROOF_FD);
	if (r >= 0 && !str_copy(s->proof, sizeof(s->proof), buf_str(&text)))
		return err_set(reterr, ERR_CORRUPT, "the proof has more than %zu bytes",
			       sizeof(s->proof) - 1);
	return r;
}

static int open_signals(struct shim *s, struct err *reterr)
{
	sigset_t set;

	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* RLIMIT_FSIZE becomes an error of write(2) */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_errno(reterr, errno, "block signals");
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_errno(reterr, errno, "watch the program");
	return 0;
}

static void read_signals(struct shim *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo == SIGTERM)
			child_stop_by_signal(s, &info);
}

static json_t *answer(const struct control_request *req, void *userdata)
{
	struct shim *s = userdata;

	switch (req->op) {
	case CONTROL_PING:
		return control_reply_ok(s->child);
	case CONTROL_STOP:
		child_stop(s, EXIT_STOPPED, req->grace_ms < 0 ? s->spec.grace_ms : req->grace_ms);
		return control_reply_ok(-1);
	}
	return NULL;
}

/* Time until the next wake-up; at most one tick, because poll(2)'s clock stands still in a
 * suspend. */
static int sleep_ms(const struct shim *s, bool log_busy)
{
	int64_t now_us = clock_mono_us(), until_us = s->deadline_us;
	int64_t ms = log_busy ? SHIM_BUSY_TICK_MS : SHIM_TICK_MS;

	if (s->phase != SHIM_RUNNING)
		until_us = s->kill_at_us;
	if (until_us <= now_us)
		return 0;
	if ((until_us - now_us) / USEC_PER_MSEC + 1 < ms)
		ms = (until_us - now_us) / USEC_PER_MSEC + 1;
	return (int)ms;
}

/* Apply the log's cap once a tick. True if the log grows fast. */
static bool cap_log(struct shim *s, int64_t *next_us, bool busy)
{
	int64_t now_us = clock_mono_us();
	int r;

	if (now_us < *next_us)
		return busy;
	r = log_cap_check(&s->log, NULL);
	*next_us = now_us + (r > 0 ? SHIM_BUSY_TICK_MS : SHIM_TICK_MS) * USEC_PER_MSEC;
	return r > 0;
}

/* Move the last output into the log. Call it after the last writer has ended. */
static void end_log(struct shim *s)
{
	log_pipe_close(&s->pipe, &s->log);
	(void)!log_cap_check(&s->log, NULL);
	if (s->pipe.lost_bytes && !s->record.message[0])
		str_excerptf(s->record.message, sizeof(s->record.message),
			     "the last %lld bytes of the log are lost: %s",
			     (long long)s->pipe.lost_bytes, strerror(s->pipe.lost_errno));
}

static void supervise(struct shim *s)
{
	struct pollfd fds[SERVER_POLL_MAX + 2];
	int64_t log_next_us = 0;
	bool log_busy = false;

	for (;;) {
		size_t n;

		child_step(s, clock_mono_us());
		if (s->none_left)
			break;
		log_busy = cap_log(s, &log_next_us, log_busy);
		fds[0] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = s->pipe.fd, .events = POLLIN};
		n = server_poll_fill(&s->server, fds + 2);
		if (poll(fds, n + 2, sleep_ms(s, log_busy)) <= 0)
			continue;
		if (fds[0].revents)
			read_signals(s);
		if (fds[1].revents)
			log_pipe_move(&s->pipe, &s->log);
		server_poll_done(&s->server, fds + 2, n, answer, s);
	}
	end_log(s);
}

static int start(struct shim *s, struct err *reterr)
{
	int r = shim_spec_read(s->dirfd, s->dir, &s->spec, reterr);

	if (r >= 0)
		r = log_cap_open(&s->log, s->dirfd, s->spec.log_max_bytes, reterr);
	if (r >= 0)
		r = server_open(&s->server, s->dirfd, reterr);
	if (r >= 0)
		r = ownership_take(&s->ownership, s->spec.id, s->spec.owner, reterr);
	if (r >= 0)
		r = owner_write(EXECUTION_LOCK_FD, &s->ownership.owner, reterr);
	if (r >= 0)
		r = child_start(s, reterr);
	if (r < 0)
		(void)ownership_release(&s->ownership);
	return r;
}

/* Write exit.json, with retries: a full or failing disk gets time to recover, and the lock says
 * "alive" until then. If the program has removed the directory, there is no retry. */
static int finish(struct shim *s)
{
	struct err e;

	s->record.finished_us = clock_now_us();
	for (int tries = 0; tries < SHIM_RECORD_TRIES; tries++) {
		if (tries)
			sleep(1);
		if (record_write(s->dirfd, s->record_fd, &s->record, &e) >= 0)
			return SHIM_DONE;
		if (dir_is_removed(s->dirfd))
			break;
	}
	say(&e);
	return SHIM_NO_RECORD;
}

static bool is_success(const struct exit_record *rec)
{
	return rec->cause == EXIT_EXITED && rec->signal == 0 && rec->code == 0;
}

/* Remove the checkpoints of a training after its end is on disk. One rename takes them away from
 * their place, then they are deleted. An error here does not change the end. */
static void drop_checkpoints(int dirfd)
{
	OWN(closep) int work = -1;
	struct err e;
	int r = beneath_open_dir(dirfd, EXECUTION_WORK, 0, &work, &e);

	if (r < 0 ||
	    (renameat(work, EXECUTION_CHECKPOINTS, work, EXECUTION_DROPPED) < 0 && errno == ENOENT))
		return;
	if (tree_remove(work, EXECUTION_DROPPED, &e) < 0)
		say(&e);
}

/* The earlier attempts of a training that has succeeded; their folders lie beside this one. */
static void drop_earlier(int dirfd, const json_t *ids)
{
	OWN(closep) int executions = openat(dirfd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const json_t *id;
	size_t i;

	json_array_foreach(ids, i, id) {
		OWN(closep) int dir = -1;
		const char *name = json_string_value(id);

		if (name && id_valid('x', name) && executions >= 0 &&
		    beneath_open_dir(executions, name, 0, &dir, NULL) >= 0)
			drop_checkpoints(dir);
	}
}

static int run(struct shim *s)
{
	struct err e;
	int status;

	if (record_reserve(s->dirfd, &s->record_fd, &e) < 0) {
		say(&e);
		return SHIM_NO_SPACE;
	}
	s->record = (struct exit_record){.cause = EXIT_EXITED, .code = -1};
	str_assign(s->record.proof, s->proof);
	if (start(s, &e) >= 0) {
		supervise(s);
	} else {
		s->record.cause = EXIT_EXEC_FAILED;
		s->record.code = 127;
		str_excerpt(s->record.message, sizeof(s->record.message), e.msg);
	}
	status = finish(s);
	if (status == SHIM_DONE && s->spec.drop_checkpoints && is_success(&s->record)) {
		drop_checkpoints(s->dirfd);
		drop_earlier(s->dirfd, s->spec.drop_earlier);
	}
	json_decref(s->spec.drop_earlier);
	server_close(&s->server);
	log_cap_close(&s->log);
	shim_spec_started(&s->spec);
	close(s->record_fd);
	return status;
}

int main(int argc, char **argv)
{
	static struct shim s = {.server = {.listen_fd = -1},
				.log = {.fd = -1},
				.pipe = {.fd = -1},
				.oom_fd = -1,
				.ownership = {.cgroup_fd = -1}};
	struct err e;
	int r;

	if (argc == 2 && str_eq(argv[1], "--version"))
		return version_print("trainyard-shim");
	if (argc != 2) {
		fprintf(stderr,
			"usage: trainyard-shim --version | DIR (descriptor %d: DIR/%s, locked)\n",
			EXECUTION_LOCK_FD, EXECUTION_LOCK);
		return SHIM_BAD_START;
	}
	r = open_dir(&s, argv[1], &e);
	if (r >= 0)
		r = take_proof(&s, &e);
	if (r >= 0)
		r = open_signals(&s, &e);
	if (r < 0) {
		say(&e);
		return SHIM_BAD_START;
	}
	return run(&s);
}
