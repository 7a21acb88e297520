/* SPDX-License-Identifier: MIT */
/* All descendants of this process, through /proc. A child subreaper keeps them all below it. */
#pragma once

/* Send `sig` to every descendant, parents first. Returns how many were signalled, or -ENOSYS when
 * this kernel does not list children. Those that fork meanwhile may be missed: call again. */
int tree_signal(int sig);
