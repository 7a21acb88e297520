/* SPDX-License-Identifier: MIT */
/*
 * What every worker command gets, and the table of commands. Each command is one function
 * `int CMD_main(struct worker *w, struct err *reterr)`: it reads its fields out of w->spec (already
 * validated by jobs/, but checked against the real data here), writes below w->work_dirfd, and
 * returns 0 or a negative error; worker/main.c writes the failure line and the exit status.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "worker/report.h"

#include <signal.h>
#include <stdbool.h>

struct worker {
	const char *dir;  /* absolute execution directory */
	const char *work; /* absolute DIR/work; also the current directory */
	int dirfd;
	int work_dirfd;
	json_t *message; /* all of spec.json, borrowed */
	json_t *spec;	 /* its "spec", borrowed */
	const char *kind;
	int cpus;	    /* threads to use, >= 1 */
	bool has_device;    /* a GPU was given (CUDA_VISIBLE_DEVICES is set) */
	const char *resume; /* checkpoint directory or NULL */
	struct report *report;
	/* Set by a command whose failure has a code of its own (jobs/reason.h); static text; NULL:
	 * the code of the error. */
	const char *failure_code;
	bool failure_written; /* another process of this execution has written the failure line */
	/* True if the script's end is the worker's: it ends with the same exit code or signal. */
	bool ends_as_script;
	int script_status; /* as waitpid gives it */
	/* Not 0 after SIGTERM: finish soon, -ERR_CANCELLED. */
	const volatile sig_atomic_t *stop;
};

int preprocess_main(struct worker *w, struct err *reterr);
int train_main(struct worker *w, struct err *reterr);
int evaluate_main(struct worker *w, struct err *reterr);
int serve_main(struct worker *w, struct err *reterr);
int script_main(struct worker *w, struct err *reterr);
