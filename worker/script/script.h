/* SPDX-License-Identifier: MIT */
/*
 * `trainyard-worker script`: runs the user's training script under the contract of SageMaker's
 * training toolkit. This header is shared by the steps of script_main (script.c).
 */
#pragma once

#include "jobs/log_metrics.h"
#include "jobs/spec/entry_point.h"
#include "worker/script/contract.h"
#include "worker/script/metrics_file.h"
#include "worker/script/output.h"
#include "worker/worker.h"

#include <limits.h>
#include <stdbool.h>

struct script {
	struct worker *w;
	struct contract contract;
	json_t *channels; /* name → absolute directory, including `model`; owned */
	const char *source_dir;
	enum entry_type type;
	bool optml;	       /* True if the script sees /opt/ml */
	char python[PATH_MAX]; /* absolute */
	json_t *env;	       /* the script's: name → text; owned */
	json_t *argv;	       /* array of texts; owned */
	struct log_metrics *metrics;
	struct output output;
	struct metrics_file metrics_file;
	json_t *last;	      /* newest value of each metric; owned */
	int64_t metric_lines; /* points so far, including those of the attempts before it resumed */
};

/* layout.c: make the directories of /opt/ml below work/, the code, the channels, input/config. */
int layout_make(struct script *s, struct err *reterr) MUSTCHECK;
/* Unmount and remove what only the run needed; the code stays. */
void layout_end(struct script *s);

/* command.c: prepare the interpreter, requirements, argv and environment. */
int command_prepare(struct script *s, struct err *reterr) MUSTCHECK;

/* run.c: start `argv` with s->env in `cwd` and wait. One SIGTERM of ours is forwarded to its whole
 * group. Its lines go to `fn`, and s->metrics_file is followed. NULL: the program writes to the log
 * itself; neither s->output nor s->metrics_file is used.
 * *ret_status is as from waitpid(2). */
int script_run(struct script *s, const json_t *argv, const char *cwd, output_line_fn fn,
	       int *ret_status, struct err *reterr) MUSTCHECK;

/* outcome.c: turn the script's end into the worker's result. 0, or the negative error that ends the
 * worker. Writes output/success or output/failure. `oom`: true if the out-of-memory killer
 * acted. */
int outcome_of(struct script *s, int status, bool oom, struct err *reterr) MUSTCHECK;
