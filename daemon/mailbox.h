/* SPDX-License-Identifier: MIT */
/* The reading end of the mailbox. Only manager.c calls this, on the manager's thread. */
#pragma once

#include "daemon/core.h"

/* Take at most MANAGER_BATCH_MAX commands in their order; the caller owns them. The loop wakes
 * again for the rest. NULL if there is none. */
struct command *mailbox_take(struct manager *mgr);
/* Run the messages posted so far. */
void mailbox_deliver(struct manager *mgr);
bool mailbox_is_empty(struct manager *mgr); /* True if no command waits */
