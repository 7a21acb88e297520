/* SPDX-License-Identifier: MIT */
/*
 * The notifier: a thread that tells people what happens (docs/notifications.md). It follows the
 * committed event log from the event after the last one that was notified. It delivers one message
 * after the other, and stores what was delivered by a command to the manager's thread. If a
 * delivery fails, it is tried again with growing waits for NOTIFIER_GIVE_UP_US. A message may come
 * twice.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "daemon/manager.h"

#define NOTIFIER_GIVE_UP_US (INT64_C(24) * 3600 * 1000000) /* also: older events are left out */
/* Messages in one window; further ones are counted, and told in one message at its end. */
#define NOTIFIER_MESSAGES   20
#define NOTIFIER_WINDOW_US  (INT64_C(600) * 1000000)
#define NOTIFIER_LOOK_US    (INT64_C(60) * 1000000) /* between two looks at the conditions */

struct notifier;

/* Start the thread. *ret is NULL if neither notify.command nor notify.url is set. Manager's
 * thread. */
int notifier_start(struct manager *mgr, struct notifier **ret, struct err *reterr) MUSTCHECK;
/* Stop and free it; a program that runs is killed. NULL is allowed. Manager's thread, after its
 * loop, net_stop() and the last command. */
void notifier_stop(struct notifier *n);
