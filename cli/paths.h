/* SPDX-License-Identifier: MIT */
/*
 * Relative paths of a pipeline, as the person who submits it means them: the daemon runs elsewhere
 * and has another current directory.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

/* Make the local paths of `pipeline` (a run or one job) absolute. A path that exists below the
 * current directory is that, else one that exists below `beside` (the pipeline file's directory,
 * may be NULL). "./" and "../", and directories to write, begin at the current directory; "~/" is
 * the home directory. Anything else stays, for the daemon's local.base_dir. The name of a model
 * stays a name, unless it has a '/' and a directory of that name has a config.json. Blocking: looks
 * at the disk. */
int paths_resolve(json_t *pipeline, const char *beside, struct err *reterr) MUSTCHECK;
