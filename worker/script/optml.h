/* SPDX-License-Identifier: MIT */
/*
 * /opt/ml for the script: a mount namespace in which the work directory also lies at /opt/ml and
 * the channels at /opt/ml/input/data. The namespace is this process's own (and its children's); the
 * machine's /opt is never changed.
 */
#pragma once

#include "base/err.h"

#define OPTML "/opt/ml"

/* Call once, before any thread is made. `work` (absolute) becomes /opt/ml. On failure nothing of
 * use is mounted, and the script must do with the real paths. Descriptors opened before stay in the
 * old namespace: good for files, not for mounts. */
int optml_enter(const char *work, struct err *reterr) MUSTCHECK;
/* Mount `dir` at the existing directory OPTML/at, with a scratch layer in the existing empty
 * directory OPTML/scratch, so that what the script writes there stays out of `dir`; a plain bind
 * mount where that cannot be had. */
int optml_channel(const char *dir, const char *at, const char *scratch,
		  struct err *reterr) MUSTCHECK;
/* Undo one channel, so that its directories can be removed. */
void optml_channel_end(const char *at);
