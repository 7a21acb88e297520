/* SPDX-License-Identifier: MIT */
/*
 * checkpoint.keep_last: a thread of the worker that thins a script's checkpoints while it runs.
 * The worker does it, and not the daemon, because the folder is the job's: what lies there is
 * hostile and may take long to remove. A checkpoint is a directory checkpoint-STEP; it is complete
 * once its trainer_state.json is a whole JSON object: transformers' Trainer writes that file last
 * (Trainer._save_checkpoint in src/transformers/trainer.py, 4.x and 5.x). Nothing else is removed.
 */
#pragma once

#include "base/err.h"
#include "worker/report.h"

#define CHECKPOINT_ENTRIES_MAX 4096 /* looked at in the folder; with more nothing is removed */
#define CHECKPOINT_STATE_MAX \
	(16 << 20) /* bytes of a trainer_state.json; a larger one is not read */

struct checkpoints;

/* Begin to keep the newest `keep` complete checkpoints of work/checkpoints. Those that
 * exist now stay until the script has completed a new one: it may resume from any of them. */
int checkpoints_thin(int work_dirfd, int keep, struct checkpoints **ret,
		     struct err *reterr) MUSTCHECK;
/* After the script's end: a last look, and a warning if nothing could be thinned. NULL is allowed.
 */
void checkpoints_end(struct checkpoints *c, struct report *report);
