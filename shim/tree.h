/* SPDX-License-Identifier: MIT */
/* All descendants of this process, through /proc. A child subreaper keeps them all below it. */
#pragma once

#include <sys/types.h>

/* Send `sig` to every descendant, parents first. Returns how many were signalled, or -ENOSYS when
 * this kernel does not list children. Those that fork meanwhile may be missed: call again. */
int tree_signal(int sig);
/* 1: the process has children, 0: it has none, -ENOSYS as above. */
int tree_has_below(pid_t pid);
