/* SPDX-License-Identifier: MIT */
/* exit.json. Its space is reserved before the program starts, so that a full disk cannot lose the
 * result of a long run. */
#pragma once

#include "base/err.h"
#include "wire/execution.h"

#define RECORD_RESERVE_BYTES 4096 /* one record with the longest message, all bytes escaped */

/* Create DIR/exit.json.tmp with allocated blocks. The caller owns *ret_fd. -ENOSPC: the disk is
 * full. */
int record_reserve(int dirfd, int *ret_fd, struct err *reterr) MUSTCHECK;
/* Write the record into the reserved blocks, truncate, fsync, rename, fsync the directory. Call it
 * after the program's end: it replaces whatever the program has put at either name. After an error
 * it may be called again. */
int record_write(int dirfd, int fd, const struct exit_record *rec, struct err *reterr) MUSTCHECK;
