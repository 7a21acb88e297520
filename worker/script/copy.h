/* SPDX-License-Identifier: MIT */
/* Copies of directory trees. */
#pragma once

#include "base/err.h"

#define COPY_DEPTH_MAX 64

/* Copy everything below `from` into the directory `to` (made when missing): regular files (their
 * owner may write the copy), directories, symbolic links as they are. Not durable. Other kinds of
 * files are refused. */
int copy_tree(int from_at, const char *from, int to_at, const char *to,
	      struct err *reterr) MUSTCHECK;
