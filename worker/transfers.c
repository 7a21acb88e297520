/* SPDX-License-Identifier: MIT */
/* Starts trainyard-transfer for one list, and puts its results into the spec at their pointers. */
#include "worker/transfers.h"

#include "base/beneath.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/proc.h"
#include "base/str.h"
#include "wire/transfer.h"

#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#define PROGRAM	    "trainyard-transfer"
#define RESULTS_MAX (16 << 20)
#define KEY_MAX	    512

/* ---- the program ---- */

/* Locations of the program relative to this one: its directory, or a build tree. */
static const char *const places[] = {PROGRAM, "../transfer/" PROGRAM};

static bool find_program(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *name;

	if (n < 0)
		return false;
	path[n] = '\0';
	name = strrchr(path, '/') + 1;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		size_t room = (size_t)(path + PATH_MAX - name);

		if ((size_t)snprintf(name, room, "%s", places[i]) < room && access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* Wait for the end of the child. SIGTERM is unblocked only during the sleep, so that none is
 * missed. */
static int wait_for(struct worker *w, pid_t pid)
{
	OWN(closep) int pidfd = pidfd_open(pid, 0);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	bool handed_on = false;
	int status = 0;
	sigset_t none;

	sigemptyset(&none);
	while (pidfd >= 0 && p.revents == 0) {
		if (*w->stop && !handed_on) {
			handed_on = true;
			kill(pid, SIGTERM);
			kill(pid, SIGCONT); /* a stopped process keeps SIGTERM pending */
		}
		if (ppoll(&p, 1, NULL, &none) < 0)
			p.revents = 0;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static int run_program(struct worker *w, const char *list, int *ret_status, struct err *reterr)
{
	const char *argv[] = {PROGRAM, list, NULL};
	struct proc_spec spec = {.argv = argv, .envp = (const char *const *)environ};
	sigset_t term, was;
	char path[PATH_MAX];
	pid_t pid;
	int r;

	if (!find_program(path))
		return err_set(reterr, ENOENT,
			       PROGRAM " is not beside trainyard-worker; install Trainyard again");
	spec.path = path;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &was);
	r = proc_spawn(&spec, &pid, reterr);
	if (r >= 0)
		*ret_status = wait_for(w, pid);
	else
		w->failure_code = "exec_failed";
	sigprocmask(SIG_SETMASK, &was, NULL);
	return r;
}

int transfers_run(struct worker *w, const char *list, struct err *reterr)
{
	int status, r;

	if (json_array_size(json_object_get(w->message, list)) == 0)
		return 0;
	if (*w->stop)
		return err_set(reterr, ERR_CANCELLED, "the job was stopped before the %s", list);
	r = run_program(w, list, &status, reterr);
	if (r < 0)
		return r;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 1) {
		w->failure_written = true;
		return err_set(reterr, *w->stop ? ERR_CANCELLED : EIO, "the %s failed", list);
	}
	if (*w->stop)
		return err_set(reterr, ERR_CANCELLED, "the job was stopped during the %s", list);
	w->failure_code = "transfer_failed";
	if (WIFSIGNALED(status))
		return err_set(reterr, EIO, PROGRAM " %s was ended by signal %d (%s)", list,
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
	return err_set(reterr, EIO, PROGRAM " %s ended with exit code %d", list,
		       WEXITSTATUS(status));
}

/* ---- its results ---- */

/* Copy the next part of a JSON pointer (RFC 6901), with ~0 and ~1 decoded. */
static const char *next_part(const char *pointer, char key[KEY_MAX])
{
	size_t n = 0;

	for (pointer++; *pointer && *pointer != '/'; pointer++) {
		char c = *pointer;

		if (c == '~' && (pointer[1] == '0' || pointer[1] == '1'))
			c = *++pointer == '0' ? '~' : '/';
		if (n + 1 < KEY_MAX)
			key[n++] = c;
	}
	key[n] = '\0';
	return pointer;
}

static json_t *child_of(json_t *at, const char *key)
{
	int64_t index;

	if (json_is_object(at))
		return json_object_get(at, key);
	return json_is_array(at) && str_to_i64(key, &index) >= 0 && index >= 0
		       ? json_array_get(at, (size_t)index)
		       : NULL;
}

static bool put_at(json_t *at, const char *pointer, json_t *value)
{
	char key[KEY_MAX];
	int64_t index;

	while (*pointer == '/') {
		pointer = next_part(pointer, key);
		if (*pointer) {
			at = child_of(at, key);
			continue;
		}
		if (json_is_object(at))
			return json_object_set(at, key, value) == 0;
		return json_is_array(at) && str_to_i64(key, &index) >= 0 && index >= 0 &&
		       json_array_set(at, (size_t)index, value) == 0;
	}
	return false;
}

int transfers_use(struct worker *w, struct err *reterr)
{
	const json_t *list = json_object_get(w->message, "fetch"), *entry;
	OWN(json_decrefp) json_t *results = NULL;
	size_t i;
	int r;

	if (json_array_size(list) == 0)
		return 0;
	r = beneath_read_json(w->work_dirfd, TRANSFER_RESULTS, RESULTS_MAX, &results, reterr);
	if (r < 0)
		return err_ctx(reterr, r, TRANSFER_RESULTS);
	json_array_foreach(list, i, entry) {
		const char *pointer = json_get_str(entry, "pointer", "");
		json_t *value = json_object_get(results, pointer);

		if (str_starts(pointer, TRANSFER_OUTPUTS)) /* outputs of the job, for the daemon */
			continue;
		if (!value || !put_at(w->spec, pointer, value))
			return err_set(reterr, ERR_CORRUPT,
				       "\"spec\" of spec.json has no field '%s' for the path of "
				       "what was fetched",
				       pointer);
	}
	return 0;
}
