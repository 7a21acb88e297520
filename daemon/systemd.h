/* SPDX-License-Identifier: MIT */
/* Messages to systemd (sd_notify), and sockets from it (sd_listen_fds). No effect if systemd did
 * not start the daemon. main.c and the manager call this. */
#pragma once

#include "base/err.h"

/* Take the listening sockets of trainyard.socket; the caller owns both. -1: systemd passed none of
 * that kind. -ERR_INVALID: a second one of a kind, or something else. */
int systemd_sockets(int *ret_tcp, int *ret_unix, struct err *reterr) MUSTCHECK;

void systemd_state(const char *state);
/* A reload begins; READY=1 ends it. */
void systemd_reloading(void);
/* Feed the watchdog if the unit has one. Only the manager's thread calls this, because the watchdog
 * supervises that thread. */
void systemd_watchdog(void);
