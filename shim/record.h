/* SPDX-License-Identifier: MIT */
/* exit.json: its space is reserved before the program starts, so that a full disk cannot keep the
 * result of a long run from being written. */
#pragma once

#include "base/err.h"
#include "wire/execution.h"

#define RECORD_RESERVE_BYTES 4096 /* one record with the longest message, every byte escaped */

/* Make DIR/exit.json.tmp with its blocks; *ret_fd is the caller's. -ENOSPC: no room. */
int record_reserve(int dirfd, int *ret_fd, struct err *reterr) MUSTCHECK;
/* Write into the reserved blocks, cut, fsync, rename, fsync the directory. May be tried again. Call
 * it when the program is gone: whatever it has put at either name gives way. */
int record_write(int dirfd, int fd, const struct exit_record *rec, struct err *reterr) MUSTCHECK;
