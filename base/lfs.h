/* SPDX-License-Identifier: MIT */
/* Recognises a pointer of Git LFS: the small text that a clone without LFS has in place of a file
 * (docs/spec.md of git-lfs: the first line is its version). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define LFS_POINTER_MARK "version https://git-lfs.github.com/spec/"
/* for "FILE is %s" */
#define LFS_POINTER_PROBLEM \
	"a pointer of Git LFS and not the file itself; fetch it with: git lfs pull"

/* True if the file whose first bytes these are is a pointer. */
bool lfs_is_pointer(const void *bytes, size_t len);
