/* SPDX-License-Identifier: MIT */
/* Finds the checkpoints from which a retry can continue; worker/train writes them. The scheduler
 * calls this on the manager's thread. Blocks on the disk. */
#pragma once

#include <stddef.h>

/* Find the newest complete checkpoint of an execution: DIR/work/checkpoints/checkpoint-N with the
 * largest N that has a manifest.json, which is written last. `path` is "" if there is none. */
void checkpoint_find(const char *dir, char *path, size_t size);
/* The directory of a script's checkpoints, DIR/work/checkpoints; "" if it is empty. */
void checkpoint_of_script(const char *dir, char *path, size_t size);
