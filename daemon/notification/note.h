/* SPDX-License-Identifier: MIT */
/* Stores what was notified, with a command to the manager's thread. */
#pragma once

#include "daemon/manager.h"

/* Store that the events up to `seq` (0: as before) and the condition `key` ("": none) were
 * notified. Waits for the commit; not on the manager's thread. A failure is logged: the message may
 * come again. If the daemon stops, nothing is stored. */
void note_done(struct manager *mgr, int64_t seq, const char *key);
