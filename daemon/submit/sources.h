/* SPDX-License-Identifier: MIT */
/*
 * Freezing a source_dir at submit: a content-addressed copy below DATA/sources/, so that a queued
 * job runs the code that was submitted. Blocking file work; any thread.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Copy `dir` to SOURCES/<sha256> (unless it is there already) and write that path to ret. Regular
 * files and directories only; .git and __pycache__ are left out. -ERR_LIMIT: larger than
 * MANAGER_SOURCE_BYTES_MAX or more than MANAGER_SOURCE_FILES_MAX files; -ERR_INVALID: a symbolic
 * link or a special file. `dry`: look and hash, copy nothing. */
int source_freeze(const char *sources, const char *dir, bool dry, char *ret, size_t size,
		  struct err *reterr) MUSTCHECK;
