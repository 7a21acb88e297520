/* SPDX-License-Identifier: MIT */
/*
 * Starts the worker with the question in a memory file, and reads its answer from a pipe until a
 * deadline.
 */
#include "daemon/submit/inspect.h"

#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/proc.h"
#include "wire/execution.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* Make a descriptor from which the worker reads the question. */
static int question_fd(const struct settings *set, json_t *question, struct err *reterr)
{
	OWN(closep) int fd = memfd_create("inspect", MFD_CLOEXEC);
	OWN(freep) char *text = NULL;

	wire_roots_add(question, set->roots, set->data_dir);
	text = json_text(question);
	if (fd < 0 || !text || fd_write_all(fd, text, strlen(text)) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(reterr, errno ? errno : ENOMEM, "ask the worker");
	return TAKE_FD(fd);
}

/* Read the answer until the worker ends or the time is over. */
static void read_answer(int fd, int64_t until_us, struct buf *answer)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (;;) {
		int64_t left_us = until_us - clock_mono_us();
		char *room = buf_reserve(answer, 4096);
		ssize_t n;

		if (!room || left_us <= 0 || poll(&p, 1, (int)(left_us / USEC_PER_MSEC) + 1) <= 0)
			return;
		n = read(fd, room, 4096);
		if (n <= 0)
			return;
		buf_added(answer, (size_t)n);
	}
}

/* Only this function waits for the child, so its pid cannot be reused before. */
static void end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int inspect_ask(const struct settings *set, const char *command, json_t *question, int64_t until_us,
		struct buf *answer, struct err *reterr)
{
	const char *const argv[] = {set->worker, command, NULL};
	const char *const envp[] = {"PATH=" EXECUTION_PATH, "LANG=C.UTF-8", NULL};
	OWN(closep) int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	OWN(closep) int in = question_fd(set, question, reterr);
	int ends[2];
	pid_t pid;
	int r;

	if (in < 0)
		return in;
	if (null < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(reterr, errno, "ask the worker");
	struct proc_spec spec = {.path = set->worker,
				 .argv = argv,
				 .envp = envp,
				 .cwd = "/",
				 .fds = {{in, 0}, {ends[1], 1}, {null, 2}},
				 .fds_n = 3,
				 .new_session = true};
	r = proc_spawn(&spec, &pid, reterr);
	close(ends[1]);
	if (r >= 0) {
		read_answer(ends[0], until_us, answer);
		end_process(pid);
	}
	close(ends[0]);
	return r;
}
