/* SPDX-License-Identifier: MIT */
#include "worker/script/script.h"

#include "base/own.h"
#include "base/proc.h"

#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#define LOG_EVERY_MS   500
#define LOG_FAST_MS    10 /* the same while the log grows fast: its cap must not overtake us */
#define LOG_FAST_BYTES (1 << 20) /* between two looks */

static void strvp(char ***v)
{
	for (char **p = *v; p && *p; p++)
		free(*p);
	free(*v);
}

/* name → text as "name=text" strings. */
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

/* Until the child has ended. SIGTERM is only let in while we sleep, so that none is missed. */
static void wait_for(struct script *s, pid_t pid, int pidfd, logtail_line_fn fn)
{
	struct timespec every = {.tv_nsec = LOG_EVERY_MS * 1000000L};
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	bool forwarded = false, fast = false;
	sigset_t none;

	sigemptyset(&none);
	while (p.revents == 0) {
		if (*s->w->stop && !forwarded) {
			forwarded = true;
			kill(-pid, SIGTERM);
			kill(-pid, SIGCONT); /* a stopped process keeps SIGTERM pending */
		}
		p.revents = 0;
		if (ppoll(&p, 1, &every, &none) < 0)
			p.revents = 0;
		if (fn)
			fast = logtail_read(&s->log, false, fn, s) >= LOG_FAST_BYTES;
		every.tv_nsec = (fast ? LOG_FAST_MS : LOG_EVERY_MS) * 1000000L;
	}
}

static int spawn(const struct script *s, const json_t *argv, const char *cwd, pid_t *ret_pid,
		 struct err *reterr)
{
	OWN(strvp) char **envp = env_strings(s->env);
	OWN(freep) const char **args = argv_strings(argv);
	struct proc_spec spec = {
		.argv = args,
		.envp = (const char *const *)envp,
		.cwd = cwd,
		.new_session = true, /* a group of its own: it gets our SIGTERM once */
	};

	if (!envp || !args)
		return err_errno(reterr, ENOMEM, "start the script");
	spec.path = args[0];
	return proc_spawn(&spec, ret_pid, reterr);
}

int script_run(struct script *s, const json_t *argv, const char *cwd, logtail_line_fn fn,
	       int *ret_status, struct err *reterr)
{
	OWN(closep) int pidfd = -1;
	sigset_t term, was;
	pid_t pid;
	int r;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &was);
	r = spawn(s, argv, cwd, &pid, reterr);
	if (r >= 0) {
		pidfd = pidfd_open(pid, 0);
		if (pidfd >= 0)
			wait_for(s, pid, pidfd, fn);
		while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
			;
	} else if (!s->w->failure_code) {
		s->w->failure_code = "exec_failed";
	}
	sigprocmask(SIG_SETMASK, &was, NULL);
	if (r >= 0 && fn)
		logtail_read(&s->log, true, fn, s);
	if (s->log.cut)
		report_warning(s->w->report, "metrics_cut",
			       "the log grew past its maximum before it was read: metrics in %lld "
			       "bytes of it are lost; print less, or raise local.log_max_bytes",
			       (long long)s->log.cut);
	return r;
}
