/* SPDX-License-Identifier: MIT */
/*
 * Relative paths of a pipeline, as the submitter means them: the daemon has another current
 * directory.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

/* Make the local paths of `pipeline` (a run or one job) absolute. A path that exists below the
 * current directory is taken from there. Otherwise it is looked for below `beside` (the pipeline
 * file's directory, may be NULL). Output directories, and missing paths with "./" or "../", are
 * relative to the current directory; "~/" is the home directory. Any other path stays, for the
 * daemon's local.base_dir. A model's name stays a name, unless it has a '/' and a directory of that
 * name has a config.json. Blocking: reads the disk. */
int paths_resolve(json_t *pipeline, const char *beside, struct err *reterr) MUSTCHECK;
