/* SPDX-License-Identifier: MIT */
/* The reading end of the mailbox. Only manager.c calls this, on the manager's thread. */
#pragma once

#include "daemon/core.h"

/* Move at most MANAGER_BATCH_MAX commands in their order to the end of *ret; the caller owns them.
 * The loop wakes again for the rest. */
void mailbox_take(struct manager *mgr, struct command_list *ret);
/* Run the messages posted so far. */
void mailbox_deliver(struct manager *mgr);
bool mailbox_is_empty(struct manager *mgr); /* True if no command waits */
