/* SPDX-License-Identifier: MIT */
/* Finding what a retry may go on from (worker/train writes it). */
#pragma once

#include <stddef.h>

/* The newest complete checkpoint below an execution directory: DIR/work/checkpoints/checkpoint-N
 * with the largest N that has a manifest.json, which is written last. "" in path: none. */
void checkpoint_find(const char *dir, char *path, size_t size);
/* The directory of a script's checkpoints, DIR/work/checkpoints; "" when nothing is in it. */
void checkpoint_of_script(const char *dir, char *path, size_t size);
