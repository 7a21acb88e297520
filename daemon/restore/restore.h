/* SPDX-License-Identifier: MIT */
/*
 * A restored database in the daemon: nothing starts until the user confirms it. Manager's thread,
 * unless stated otherwise.
 */
#pragma once

#include "daemon/core.h"

/* The store is open: take over whether its database was restored, and log it. */
void restore_begin(struct manager *mgr);
/* Why no job starts; only while mgr->restored_us is set. */
void restore_reason(const struct manager *mgr, struct reason *ret);
/* Run COMMAND_RESTORE or COMMAND_RESTORE_CONFIRM in its transaction. -ERR_CONFLICT: resources on
 * SageMaker were not described since the restore, and c->number is not 1. Confirming what is
 * confirmed changes nothing. */
int restore_command(struct manager *mgr, struct command *c, struct err *reterr) MUSTCHECK;
