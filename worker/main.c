/* SPDX-License-Identifier: MIT */
/*
 * trainyard-worker COMMAND: the work of one execution, started by the shim. It reads DIR/spec.json,
 * fetches inputs, runs one command of the table and pushes the results. events.ndjson and the exit
 * status report the end.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "base/version.h"
#include "wire/execution.h"
#include "worker/inspect.h"
#include "worker/inspect_model.h"
#include "worker/transfers.h"
#include "worker/usage.h"
#include "worker/worker.h"

#include <limits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* PROGRAM, of meson.build: the name of this program, which has some of the commands. */
#define TRANSFER_ONLY "transfer" /* there is no main work between the two lists */

static volatile sig_atomic_t stop_asked;

static const struct {
	const char *name;
	int (*run)(struct worker *w, struct err *reterr);
} commands[] = {
#ifdef WORKER_HAS_PREPROCESS
	{"preprocess", preprocess_main},
#endif
#ifdef WORKER_HAS_TRAIN
	{"train", train_main},		 {"evaluate", evaluate_main},
#endif
#ifdef WORKER_HAS_SERVE
	{"serve", serve_main},
#endif
#ifdef WORKER_HAS_SCRIPT
	{"script", script_main},
#endif
};

static void on_term(int sig)
{
	stop_asked = 1;
}

static int open_dirs(struct worker *w, struct err *reterr)
{
	static char dir[PATH_MAX], work[PATH_MAX];
	const char *env = getenv(EXECUTION_ENV_DIR);

	if (!env || !realpath(env, dir) || !path_join(work, sizeof(work), dir, EXECUTION_WORK))
		return err_set(reterr, ERR_INVALID, "%s must name the execution directory",
			       EXECUTION_ENV_DIR);
	w->dir = dir;
	w->work = work;
	w->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->work_dirfd = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dirfd < 0 || w->work_dirfd < 0 || fchdir(w->work_dirfd) < 0)
		return err_errno(reterr, errno, "open %s", work);
	return 0;
}

static int load_message(struct worker *w, struct err *reterr)
{
	const json_t *resources;
	int r = json_read_file(w->dirfd, EXECUTION_SPEC, EXECUTION_SPEC_MAX, &w->message, reterr);

	if (r >= 0)
		r = wire_version_check(w->message, EXECUTION_SPEC, reterr);
	if (r >= 0)
		r = wire_roots_set(w->message, reterr);
	if (r < 0)
		return r;
	w->spec = json_object_get(w->message, "spec");
	w->kind = json_get_str(w->message, "kind", "");
	w->resume = json_get_str(w->message, "resume", NULL);
	resources = json_object_get(w->message, "resources");
	w->cpus = (int)json_get_int(resources, "cpus", 1);
	w->has_device = json_array_size(json_object_get(resources, "devices")) > 0;
	if (!json_is_object(w->spec) || w->cpus < 1)
		return err_set(reterr, ERR_CORRUPT, "%s has no valid \"spec\" or \"resources\"",
			       EXECUTION_SPEC);
	return 0;
}

static int run_command(struct worker *w, const char *name, struct err *reterr)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (str_eq(commands[i].name, name))
			return commands[i].run(w, reterr);
	return err_set(reterr, ERR_UNSUPPORTED, "this build of trainyard-worker has no '%s'%s",
		       name, str_eq(name, "script") ? "" : "; build it with -Dnative=enabled");
}

static int run_all(struct worker *w, const char *name, struct err *reterr)
{
	int r = transfers_run(w, "fetch", reterr);

	if (r >= 0)
		r = transfers_use(w, reterr);
	if (r >= 0 && !str_eq(name, TRANSFER_ONLY))
		r = run_command(w, name, reterr);
	if (r >= 0)
		r = transfers_run(w, "push", reterr);
	return r;
}

#ifdef WORKER_HAS_SCRIPT
/* Execute the program that has the command, in the directory of this one. Returns if this one has
 * it, and if the other cannot be executed. */
static void become_program_of(char **argv)
{
	static const char *const others[][2] = {
		{"preprocess", "trainyard-dataset"}, {INSPECT_COMMAND, "trainyard-dataset"},
		{"train", "trainyard-native"},	     {"evaluate", "trainyard-native"},
		{"serve", "trainyard-native"},
	};
	char self[PATH_MAX], path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return;
	*slash = '\0';
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (str_eq(argv[1], others[i][0]) &&
		    path_join(path, sizeof(path), self, others[i][1])) {
			/* OpenMP: spin for a short time, then sleep. Its default of milliseconds
			 * halves the speed on a machine with other work. */
			setenv("GOMP_SPINCOUNT", "20000", 0);
			execv(path, argv);
		}
}
#endif

/* End with the script's exit code or signal, so that exit.json has it. The signal leaves no core,
 * because the script may have left its own. */
static int end_as(int status)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	sigset_t set;

	if (!sig)
		return WEXITSTATUS(status);
	prctl(PR_SET_DUMPABLE, 0);
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(sig);
	return 128 + sig;
}

int main(int argc, char **argv)
{
	struct sigaction on_stop = {.sa_handler = on_term};
	struct worker w = {.dirfd = -1, .work_dirfd = -1, .stop = &stop_asked};
	struct err e = {0};
	int r;

	if (argc == 2 && str_eq(argv[1], "--version"))
		return version_print(PROGRAM);
	if (argc != 2) {
		fprintf(stderr, "usage: " PROGRAM " --version | COMMAND (with %s set)\ncommands:",
			EXECUTION_ENV_DIR);
		for (size_t i = 0; i < ARRAY_LEN(commands); i++)
			fprintf(stderr, " %s", commands[i].name);
		fprintf(stderr, " %s\n", TRANSFER_ONLY);
		return 2;
	}
#ifdef WORKER_HAS_SCRIPT
	if (str_eq(argv[1], INSPECT_MODEL_COMMAND))
		return inspect_model_main();
	become_program_of(argv);
#endif
	if (str_eq(argv[1], USAGE_COMMAND))
		return usage_main();
#ifdef WORKER_HAS_PREPROCESS
	if (str_eq(argv[1], INSPECT_COMMAND))
		return inspect_main();
#endif
	sigaction(SIGTERM, &on_stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a write above the limit is an error code, not a death */
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = open_dirs(&w, &e);
	if (r >= 0)
		r = report_open(w.work_dirfd, &w.report, &e);
	if (r >= 0)
		r = load_message(&w, &e);
	if (r >= 0)
		r = run_all(&w, argv[1], &e);
	if (r < 0) {
		fprintf(stderr, "error: %s\n", e.msg);
		if (w.report && !w.failure_written)
			report_failure(w.report, w.failure_code, &e);
	}
	report_close(w.report);
	json_decref(w.message);
	return w.ends_as_script ? end_as(w.script_status) : r < 0;
}
