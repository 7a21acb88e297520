/* SPDX-License-Identifier: MIT */
/*
 * Freezes a source_dir at the submit: makes a content-addressed copy below DATA/sources/, so that a
 * queued job runs the submitted code. Any thread; blocks on the disk.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Copy `dir` to SOURCES/<sha256>, unless it exists, and write that path to ret. Only regular files
 * and directories; .git and __pycache__ are left out. `dry`: only check and hash. -ERR_LIMIT if
 * larger than MANAGER_SOURCE_BYTES_MAX or more than MANAGER_SOURCE_FILES_MAX files. -ERR_INVALID
 * for a special file, or a link that leads outside the roots. */
int source_freeze(const char *sources, const char *dir, bool dry, char *ret, size_t size,
		  struct err *reterr) MUSTCHECK;
