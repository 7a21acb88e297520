/* SPDX-License-Identifier: MIT */
/*
 * Shared by all worker commands, with the table of commands. A command is a function `int
 * CMD_main(struct worker *w, struct err *reterr)`. It reads its fields from w->spec (jobs/ has
 * validated them; the command checks them against the real data). It writes below w->work_dirfd and
 * returns 0 or a negative error. worker/main.c writes the failure line and sets the exit status.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "worker/report.h"

#include <signal.h>
#include <stdbool.h>

struct worker {
	const char *dir;  /* absolute path of the execution's directory */
	const char *work; /* absolute path of DIR/work, the current directory */
	int dirfd;
	int work_dirfd;
	json_t *message; /* the whole spec.json, borrowed */
	json_t *spec;	 /* its "spec", borrowed */
	const char *kind;
	int cpus;	    /* threads to use, >= 1 */
	bool has_device;    /* True if the job has a GPU (CUDA_VISIBLE_DEVICES is set) */
	const char *resume; /* checkpoint directory; NULL: none */
	struct report *report;
	/* The failure's own code (jobs/reason.h), set by the command; static. NULL: the code of the
	 * error. */
	const char *failure_code;
	bool failure_written; /* True if another process of this execution wrote the failure line */
	/* True if the worker ends with the script's exit code or signal. */
	bool ends_as_script;
	int script_status; /* as from waitpid(2) */
	/* If not 0 (after SIGTERM): finish soon with -ERR_CANCELLED. */
	const volatile sig_atomic_t *stop;
};

int preprocess_main(struct worker *w, struct err *reterr);
int train_main(struct worker *w, struct err *reterr);
int evaluate_main(struct worker *w, struct err *reterr);
int serve_main(struct worker *w, struct err *reterr);
int script_main(struct worker *w, struct err *reterr);
