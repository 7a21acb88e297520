/* SPDX-License-Identifier: MIT */
/*
 * checkpoint.keep_last: a thread of the worker that removes old checkpoints of a script while the
 * script runs. The worker does this, not the daemon, because the job owns the folder: its content
 * is hostile and may take long to remove.
 * A checkpoint is a directory checkpoint-STEP. It is complete if its trainer_state.json is a whole
 * JSON object, because transformers' Trainer writes that file last (Trainer._save_checkpoint in
 * src/transformers/trainer.py, 4.x and 5.x). Nothing else is removed.
 */
#pragma once

#include "base/err.h"
#include "worker/report.h"

#define CHECKPOINT_ENTRIES_MAX 4096	  /* of the folder; above this nothing is removed */
#define CHECKPOINT_STATE_MAX   (16 << 20) /* largest trainer_state.json that is read, bytes */

struct checkpoints;

/* Start to keep only the newest `keep` complete checkpoints of work/checkpoints. The present ones
 * stay until the script has completed a new one, because it may resume from any of them.
 * `work_dirfd` is borrowed until checkpoints_end(). */
int checkpoints_thin(int work_dirfd, int keep, struct checkpoints **ret,
		     struct err *reterr) MUSTCHECK;
/* Call it after the script's end: takes a last look and stops the thread. Reports a warning if
 * nothing could be removed. NULL is allowed. */
void checkpoints_end(struct checkpoints *c, struct report *report);
