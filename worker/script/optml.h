/* SPDX-License-Identifier: MIT */
/*
 * /opt/ml for the script: a mount namespace in which the work directory is /opt/ml, with the
 * channels below /opt/ml/input/data. The namespace belongs to this process and its children; the
 * machine's /opt never changes.
 */
#pragma once

#include "base/err.h"

#define OPTML "/opt/ml"

/* Make `work` (absolute) visible as /opt/ml. Call it once, before any thread starts. After a
 * failure nothing useful is mounted, and the script gets the real paths. Descriptors from before
 * stay in the old namespace: they work for files, not for mounts. */
int optml_enter(const char *work, struct err *reterr) MUSTCHECK;
/* Mount `dir` at the existing directory OPTML/at. A scratch layer in the existing empty directory
 * OPTML/scratch keeps the script's writes out of `dir`. If that is impossible, `dir` is
 * bind-mounted. */
int optml_channel(const char *dir, const char *at, const char *scratch,
		  struct err *reterr) MUSTCHECK;
/* Unmount one channel, so that its directories can be removed. */
void optml_channel_end(const char *at);
