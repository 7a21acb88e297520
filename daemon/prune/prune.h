/* SPDX-License-Identifier: MIT */
/*
 * Prunes: removes the files of ended runs, and on request their rows. The intent is committed first
 * (storage/write/prune.h), the trash thread does the work (trash.h), then the intent ends.
 * Manager's thread.
 */
#pragma once

#include "daemon/core.h"

/* delay after files could not be removed, doubled at each further failure: a full disk may have
 * room soon */
#define PRUNE_RETRY_US	   (5 * USEC_PER_SEC)
#define PRUNE_RETRY_MAX_US (600 * USEC_PER_SEC)

/* Start the trash thread and resume the removals that an earlier daemon did not finish. */
int prune_open(struct manager *mgr, struct err *reterr) MUSTCHECK;
void prune_close(struct manager *mgr);
/* Run COMMAND_PRUNE in its transaction. */
int prune_command(struct manager *mgr, struct command *c, struct err *reterr) MUSTCHECK;
/* Each second, in separate transactions: the retention, and retries. */
void prune_tick(struct manager *mgr);
/* The wall clock was set: ages may be wrong, so the retention waits for its next pass. */
void prune_postpone(struct manager *mgr);
