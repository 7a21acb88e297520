/* SPDX-License-Identifier: MIT */
/*
 * The manager's transaction: rows change in it, everything else happens after its commit. Every
 * file on the manager's thread has this through core.h.
 */
#pragma once

#include "base/err.h"
#include "base/log.h"

#include <sys/queue.h>

struct manager;
TAILQ_HEAD(txn_actions, txn_action); /* run after the commit, in this order */

/* Begin a transaction; a nested one joins the outer one. After a failure write nothing: the
 * database cannot be written. */
int txn_begin(struct manager *mgr, struct err *reterr) MUSTCHECK;
/* Mark the transaction as failed, so that txn_end rolls back. Returns r. */
int txn_fail(struct manager *mgr, int r, const struct err *err);
/* Commit, publish the events and run the actions. Returns 0, or the error after a rollback. */
int txn_end(struct manager *mgr, struct err *reterr);
/* If the disk with the database has failed, what it has is unknown: end the manager's loop with an
 * error, and let the next start check the database. */
void txn_end_if_broken(struct manager *mgr);
void txn_on_commit(struct manager *mgr, void (*fn)(struct manager *mgr, void *arg, bool committed),
		   void *arg);
/* The same, before the events are published: for memory that whoever has seen an event reads next.
 * fn only changes memory, begins no transaction. Queued again with the same arg, it runs once. */
void txn_before_publish(struct manager *mgr,
			void (*fn)(struct manager *mgr, void *arg, bool committed), void *arg);
/* log_event() after the commit. A transaction that fails, or a command that is undone, logs
 * nothing. */
void txn_log(struct manager *mgr, enum log_level level, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Roll back what the open transaction has written, drop its actions and begin again. */
int txn_restart(struct manager *mgr, struct err *reterr) MUSTCHECK;
/* The last action so far; NULL: none. */
struct txn_action *txn_mark(const struct manager *mgr);
/* Remove a failed command's actions: those behind `mark`, which is from before the command. */
void txn_drop_actions(struct manager *mgr, const struct txn_action *mark);
