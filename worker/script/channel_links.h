/* SPDX-License-Identifier: MIT */
/* Symbolic links in the directory of a channel. */
#pragma once

#include "base/err.h"

/* Check that no link below the directory `fd` leads out of the roots; dangling links are allowed.
 * `real` is the directory's path. A relative link that leaves the directory would lead elsewhere
 * from a mount: it is made again, with its absolute target, below work_dirfd/`upper`. Blocking. */
int channel_links(int fd, const char *real, int work_dirfd, const char *upper,
		  struct err *reterr) MUSTCHECK;
