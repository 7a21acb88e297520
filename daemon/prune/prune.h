/* SPDX-License-Identifier: MIT */
/*
 * Prunes: the files of ended runs go, and their rows if that was asked for. The intent is committed
 * first (storage/write/prune.h), the trash does the work (trash.h), then the intent ends. On the
 * manager thread.
 */
#pragma once

#include "daemon/core.h"

#define PRUNE_RETRY_US	   (600 * USEC_PER_SEC)	  /* after files that could not be removed */
#define PRUNE_RETENTION_US (86400 * USEC_PER_SEC) /* between two looks of the retention */

/* Start the trash thread and resume the removals that an earlier daemon did not finish. */
int prune_open(struct manager *mgr, struct err *reterr) MUSTCHECK;
void prune_close(struct manager *mgr);
/* COMMAND_PRUNE, in its transaction. */
int prune_command(struct manager *mgr, struct command *c, struct err *reterr) MUSTCHECK;
/* Each second, own transactions: the retention, and what is to be tried again. */
void prune_tick(struct manager *mgr);
/* The wall clock was set: what seems old may not be, so that the retention waits a day. */
void prune_postpone(struct manager *mgr);
