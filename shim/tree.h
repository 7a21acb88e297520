/* SPDX-License-Identifier: MIT */
/* All descendants of this process, through /proc. They stay below a child subreaper. */
#pragma once

#include <sys/types.h>

/* Send `sig` to every descendant, parents first. Returns how many got it; -ENOSYS: this kernel does
 * not list children. A process that forks meanwhile may be missed: call it again. */
int tree_signal(int sig);
/* 1: the process has children, 0: it has none, -ENOSYS as above. */
int tree_has_below(pid_t pid);
