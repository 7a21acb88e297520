/* SPDX-License-Identifier: MIT */
/* What comes before and after the main work: trainyard-transfer with the execution's "fetch" and
 * "push" lists (wire/transfer.h), a process of its own beside this program. */
#pragma once

#include "worker/worker.h"

/* Run it for the list ("fetch" or "push") and wait; nothing when the list is empty. SIGTERM is
 * handed on. After a failure that has its line already, w->failure_written is set. */
int stage_run(struct worker *w, const char *list, struct err *reterr) MUSTCHECK;
/* Put the results of "fetch" into w->spec, each where its pointer says. */
int stage_use(struct worker *w, struct err *reterr) MUSTCHECK;
