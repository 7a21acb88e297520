/* SPDX-License-Identifier: MIT */
/* The transfers before and after the main work: trainyard-transfer with the lists "fetch" and
 * "push" (wire/transfer.h), in a process of its own. */
#pragma once

#include "worker/worker.h"

/* Run the transfer for the list ("fetch" or "push") and wait. If the list is empty, does nothing.
 * SIGTERM is forwarded. If the transfer has written the failure line, sets w->failure_written. */
int transfers_run(struct worker *w, const char *list, struct err *reterr) MUSTCHECK;
/* Put the results of "fetch" into w->spec, each at its pointer. */
int transfers_use(struct worker *w, struct err *reterr) MUSTCHECK;
