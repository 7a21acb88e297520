/* SPDX-License-Identifier: MIT */
/* Messages to systemd (sd_notify). No effect if systemd did not start the daemon. main.c and the
 * manager call this. */
#pragma once

void systemd_state(const char *state);
/* A reload begins; READY=1 ends it. */
void systemd_reloading(void);
/* Feed the watchdog if the unit has one. Only the manager's thread calls this, because the watchdog
 * supervises that thread. */
void systemd_watchdog(void);
