/* SPDX-License-Identifier: MIT */
/* Word to systemd (sd_notify); nothing happens when it did not start us. */
#pragma once

void notify_state(const char *state);
