/* SPDX-License-Identifier: MIT */
/* Word to systemd (sd_notify); nothing happens when it did not start us. */
#pragma once

void notify_state(const char *state);
/* Feed the watchdog, if the unit has one: only from the manager's thread, which it is about. */
void notify_watchdog(void);
