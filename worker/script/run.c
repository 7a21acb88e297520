/* SPDX-License-Identifier: MIT */
/*
 * Starts the script, passes its output on while it runs, forwards SIGTERM, and waits for its end.
 */
#include "worker/script/script.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/proc.h"

#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#define METRICS_EVERY_US USEC_PER_SEC
#define LEFTOVER_US	 (2 * USEC_PER_SEC) /* the same time as the shim gives to descendants */

static void strvp(char ***v)
{
	for (char **p = *v; p && *p; p++)
		free(*p);
	free(*v);
}

/* Make "name=text" strings from name → text. */
static char **env_strings(const json_t *env)
{
	char **out = calloc(json_object_size(env) + 1, sizeof(*out));
	json_t *value;
	const char *name;
	size_t n = 0;

	json_object_foreach((json_t *)env, name, value)
		if (out && asprintf(&out[n], "%s=%s", name, json_string_value(value)) >= 0)
			n++;
	return out;
}

static const char **argv_strings(const json_t *argv)
{
	const char **out = calloc(json_array_size(argv) + 1, sizeof(*out));

	for (size_t i = 0; out && i < json_array_size(argv); i++)
		out[i] = json_string_value(json_array_get(argv, i));
	return out;
}

/* Read a part of the metrics file if it is time. *ret_wait: how long to sleep at most. */
static void follow_metrics(struct script *s, int64_t *next_us, struct timespec *ret_wait)
{
	int64_t now_us = clock_mono_us(), wait_us;

	if (now_us >= *next_us)
		*next_us = now_us + (metrics_file_turn(&s->metrics_file) ? 0 : METRICS_EVERY_US);
	wait_us = *next_us - now_us;
	ret_wait->tv_sec = wait_us / USEC_PER_SEC;
	ret_wait->tv_nsec = wait_us % USEC_PER_SEC * 1000;
}

/* Wait for the end of the child. SIGTERM is unblocked only during the sleep, so that none is
 * missed. */
static void wait_for(struct script *s, pid_t pid, int pidfd, output_line_fn fn)
{
	struct pollfd fds[2] = {{.fd = pidfd, .events = POLLIN}, {.events = POLLIN}};
	struct timespec wait;
	bool forwarded = false;
	int64_t next_us = 0;
	sigset_t none;

	sigemptyset(&none);
	/* If the child has no descriptor, wait for the end of the output. */
	while (fds[0].revents == 0 && (pidfd >= 0 || s->output.fd >= 0)) {
		if (*s->w->stop && !forwarded) {
			forwarded = true;
			kill(-pid, SIGTERM);
			kill(-pid, SIGCONT); /* a stopped process keeps SIGTERM pending */
		}
		fds[1].fd = s->output.fd;
		if (fn)
			follow_metrics(s, &next_us, &wait);
		if (ppoll(fds, 2, fn ? &wait : NULL, &none) < 0)
			fds[0].revents = fds[1].revents = 0;
		if (fds[1].revents)
			output_pass(&s->output, fn, s);
	}
}

/* Pass on output that the script's children write after its end, for example a child that the same
 * SIGTERM ends. Stops at the end of the output, or after LEFTOVER_US. */
static void pass_leftover(struct script *s, output_line_fn fn)
{
	int64_t until_us = clock_mono_us() + LEFTOVER_US, left_us;

	while (s->output.fd >= 0 && (left_us = until_us - clock_mono_us()) > 0) {
		struct pollfd more = {.fd = s->output.fd, .events = POLLIN};

		if (poll(&more, 1, (int)(left_us / USEC_PER_MSEC) + 1) > 0)
			output_pass(&s->output, fn, s);
	}
}

/* Start the program. `out`: its stdout and stderr; -1: ours. */
static int spawn(const struct script *s, const json_t *argv, const char *cwd, int out,
		 pid_t *ret_pid, struct err *reterr)
{
	OWN(strvp) char **envp = env_strings(s->env);
	OWN(freep) const char **args = argv_strings(argv);
	struct proc_spec spec = {
		.argv = args,
		.envp = (const char *const *)envp,
		.cwd = cwd,
		.fds = {{out, 1}, {out, 2}},
		.fds_n = out < 0 ? 0 : 2,
		.new_session = true, /* a group of its own, so that it gets our SIGTERM once */
	};

	if (!envp || !args)
		return err_errno(reterr, ENOMEM, "start the script");
	spec.path = args[0];
	return proc_spawn(&spec, ret_pid, reterr);
}

int script_run(struct script *s, const json_t *argv, const char *cwd, output_line_fn fn,
	       int *ret_status, struct err *reterr)
{
	OWN(closep) int pidfd = -1;
	OWN(closep) int out = -1;
	sigset_t term, was;
	pid_t pid;
	int r = fn ? output_open(&s->output, &out, reterr) : 0;

	if (r < 0)
		return r;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &was);
	r = spawn(s, argv, cwd, out, &pid, reterr);
	if (out >= 0)
		close(TAKE_FD(out));
	if (r >= 0) {
		pidfd = pidfd_open(pid, 0);
		wait_for(s, pid, pidfd, fn);
		while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
			;
		if (fn) {
			pass_leftover(s, fn);
			output_end(&s->output, fn, s);
			metrics_file_end(&s->metrics_file);
		}
	} else if (!s->w->failure_code) {
		s->w->failure_code = "exec_failed";
	}
	sigprocmask(SIG_SETMASK, &was, NULL);
	return r;
}
