/* SPDX-License-Identifier: MIT */
/* Delivers one message: to a program, or to an address. Any thread but the manager's and the net
 * thread; blocks for at most DELIVER_US and a second. */
#pragma once

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "daemon/settings.h"
#include "net/net.h"

#include <stdatomic.h>

#define DELIVER_US (30 * USEC_PER_SEC)

/* Start set->command with the message on its standard input, and wait for its end. A program that
 * takes too long is killed with its session. The environment is the daemon's without AWS keys, with
 * TRAINYARD_EVENT, TRAINYARD_TITLE, TRAINYARD_TEXT and TRAINYARD_URGENT. -ERR_UNAVAILABLE: it did
 * not start, failed (the message has its last words), took too long, or *stop became true; try
 * again. */
int deliver_to_command(const struct notify_settings *set, const json_t *message,
		       const atomic_bool *stop, struct err *reterr) MUSTCHECK;
/* Send the message to set->url in set->format. -ERR_UNAVAILABLE: try again; -ERR_INVALID: the
 * server refuses this message, so do not. No error shows more of the address than its host. */
int deliver_to_url(const struct notify_settings *set, struct net *net, const json_t *message,
		   struct err *reterr) MUSTCHECK;
