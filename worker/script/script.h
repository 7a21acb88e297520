/* SPDX-License-Identifier: MIT */
/*
 * `trainyard-worker script`: the user's own training script under the contract of SageMaker's
 * training toolkit. What the steps of script_main (script.c) share.
 */
#pragma once

#include "jobs/log_metrics.h"
#include "jobs/spec/entry_point.h"
#include "worker/script/contract.h"
#include "worker/script/output.h"
#include "worker/worker.h"

#include <limits.h>
#include <stdbool.h>

struct script {
	struct worker *w;
	struct contract contract;
	json_t *channels; /* name → absolute directory; `model` among them; owned */
	const char *source_dir;
	enum entry_type type;
	bool optml;	       /* the script sees /opt/ml */
	char python[PATH_MAX]; /* absolute */
	json_t *env;	       /* of the script: name → text; owned */
	json_t *argv;	       /* array of texts; owned */
	struct log_metrics *metrics;
	struct output output;
	json_t *last;	      /* the newest value of each metric; owned */
	int64_t metric_lines; /* so far, with those of the attempts that this one resumes */
};

/* layout.c: the directories of /opt/ml below work/, the code, the channels, input/config. */
int layout_make(struct script *s, struct err *reterr) MUSTCHECK;
/* Unmount and remove what only the run needed (code stays). */
void layout_end(struct script *s);

/* command.c: the interpreter, requirements, argv and environment. */
int command_prepare(struct script *s, struct err *reterr) MUSTCHECK;

/* run.c: start `argv` with s->env in `cwd` and wait, forwarding one SIGTERM of ours to its whole
 * group; the lines that it writes go to `fn` (NULL: it writes to the log itself, s->output is not
 * used). *ret_status as waitpid gives it. */
int script_run(struct script *s, const json_t *argv, const char *cwd, output_line_fn fn,
	       int *ret_status, struct err *reterr) MUSTCHECK;

/* outcome.c: what the end of the script means. 0, or the negative error that ends the worker;
 * writes output/success or output/failure. `oom`: the out-of-memory killer was seen at work. */
int outcome_of(struct script *s, int status, bool oom, struct err *reterr) MUSTCHECK;
