/* SPDX-License-Identifier: MIT */
/* Keys printed by a program: the credential_process of a profile. Public reference:
 * botocore/credentials.py (ProcessProvider). */
#include "aws/config.h"
#include "aws/words.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/proc.h"
#include "base/str.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define OUTPUT_MAX (64 << 10)
#define PROCESS_US (60 * USEC_PER_SEC)
#define ARGS_MAX   64
#define WORDS_MAX  300 /* bytes of its stderr */

extern char **environ;

static int split(char *text, char **argv, struct err *reterr)
{
	int n = aws_words(text, argv, ARGS_MAX);

	if (n == -ERR_LIMIT)
		return err_set(
			reterr, ERR_LIMIT,
			"the credential_process has more than %d words; put them into a script",
			ARGS_MAX);
	if (n < 0)
		return err_set(reterr, ERR_INVALID,
			       "the credential_process has a quote that is not closed");
	argv[n] = NULL;
	return n ? 0
		 : err_set(reterr, ERR_INVALID, "the credential_process is empty; name a program");
}

/* Find the program on PATH. */
static bool find_program(const char *name, char *ret, size_t size)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return str_copy(ret, size, name);
	for (; path && *path; path += strcspn(path, ":"), path += *path == ':') {
		int n = snprintf(ret, size, "%.*s/%s", (int)strcspn(path, ":"), path, name);

		if (n > 0 && (size_t)n < size && access(ret, X_OK) == 0)
			return true;
	}
	return false;
}

/* Read both pipes to their ends, until the deadline `until`. */
static int read_both(int out_fd, int err_fd, int64_t until, struct buf *out, struct buf *errors)
{
	struct pollfd fds[2] = {{.fd = out_fd, .events = POLLIN}, {.fd = err_fd, .events = POLLIN}};
	struct buf *into[2] = {out, errors};

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		int64_t left = until - clock_mono_us();
		int ready = left <= 0 ? 0 : poll(fds, 2, (int)(left / 1000) + 1);

		if (ready == 0)
			return -ETIMEDOUT;
		if (ready < 0)
			continue;
		for (int i = 0; i < 2; i++) {
			char chunk[4096];
			ssize_t n;

			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			n = read(fds[i].fd, chunk, sizeof(chunk));
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				fds[i].fd = -1;
			else
				buf_put(into[i], chunk, (size_t)n);
		}
	}
	return 0;
}

/* Wait for the end: the program may close its pipes and continue. */
static int wait_for_end(pid_t pid, int64_t until, int *ret_status)
{
	struct timespec pause = {.tv_nsec = 1000000};

	while (waitpid(pid, ret_status, WNOHANG) == 0) {
		if (clock_mono_us() >= until)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < 100000000)
			pause.tv_nsec *= 2;
	}
	return 0;
}

static int run(char **argv, struct buf *out, struct buf *errors, int *ret_status,
	       struct err *reterr)
{
	OWN(closep) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int o[2] = {-1, -1}, e[2] = {-1, -1}, r;
	char path[AWS_URL_MAX];
	struct proc_spec spec = {.path = path,
				 .argv = (const char *const *)argv,
				 .envp = (const char *const *)environ,
				 .new_session = true};
	pid_t pid = 0;

	if (!find_program(argv[0], path, sizeof(path)))
		return err_set(reterr, ERR_INVALID, "the credential_process '%s' is not on PATH",
			       argv[0]);
	if (null < 0 || pipe2(o, O_CLOEXEC) < 0 || pipe2(e, O_CLOEXEC) < 0)
		return err_errno(reterr, errno, "run the credential_process");
	spec.fds[0] = (struct proc_fd){null, 0};
	spec.fds[1] = (struct proc_fd){o[1], 1};
	spec.fds[2] = (struct proc_fd){e[1], 2};
	spec.fds_n = 3;
	r = proc_spawn(&spec, &pid, reterr);
	close(o[1]);
	close(e[1]);
	if (r >= 0) {
		int64_t until = clock_mono_us() + PROCESS_US;

		r = read_both(o[0], e[0], until, out, errors);
		if (r >= 0)
			r = wait_for_end(pid, until, ret_status);
		if (r < 0) {
			kill(-pid, SIGKILL);
			waitpid(pid, ret_status, 0);
		}
		if (r < 0)
			r = err_errno(reterr, -r, "wait for the credential_process '%s'", argv[0]);
	}
	close(o[0]);
	close(e[0]);
	return r;
}

/* The program's stderr as a part of one sentence. */
static const char *one_line(struct buf *errors)
{
	if (!buf_ok(errors) || !errors->len)
		return "the program printed no reason";
	str_utf8_mask(errors->data);
	for (char *p = errors->data; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	return errors->data;
}

int aws_keys_from_process(const char *command, struct aws_keys *ret, struct err *reterr)
{
	OWN(buf_done) struct buf out = BUF_INIT(OUTPUT_MAX);
	OWN(buf_done) struct buf errors = BUF_INIT(OUTPUT_MAX);
	OWN(json_decrefp) json_t *in = NULL;
	OWN(freep) char *text = strdup(command);
	char *argv[ARGS_MAX + 1], words[WORDS_MAX];
	int status = 0, r = text ? split(text, argv, reterr) : -ENOMEM;

	if (r >= 0)
		r = run(argv, &out, &errors, &status, reterr);
	if (r < 0)
		return r;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		str_excerpt(words, sizeof(words), one_line(&errors));
		return err_set(reterr, ERR_INVALID, "the credential_process '%s' failed: %s",
			       argv[0], words);
	}
	if (json_parse(buf_str(&out), out.len, &in, NULL) < 0 ||
	    json_get_int(in, "Version", 0) != 1)
		return err_set(reterr, ERR_INVALID,
			       "the credential_process '%s' must print JSON with \"Version\": 1",
			       argv[0]);
	return aws_keys_from_json(buf_str(&out), out.len, "AccessKeyId", "SecretAccessKey",
				  "SessionToken", "Expiration", "the credential_process", ret,
				  reterr);
}
