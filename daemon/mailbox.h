/* SPDX-License-Identifier: MIT */
/* What other threads have left, for the file that runs it: manager.c, on its thread. */
#pragma once

#include "daemon/core.h"

/* At most MANAGER_BATCH_MAX commands, in their order, now the caller's; the loop wakes again for
 * the rest. NULL: none. */
struct command *mailbox_take(struct manager *mgr);
/* Run the messages that were posted so far. */
void mailbox_deliver(struct manager *mgr);
bool mailbox_is_empty(struct manager *mgr); /* no command waits */
