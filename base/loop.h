/* SPDX-License-Identifier: MIT */
/*
 * The event loop: the one door to sd-event (its own reference is `man sd-event`). One loop per
 * thread; only its thread may touch it.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>
#include <systemd/sd-event.h>

/* A relative one-shot timer on CLOCK_BOOTTIME; *source may be NULL (made) or an old timer (moved).
 * 0 or -errno. */
int loop_after_us(sd_event *e, sd_event_source **source, int64_t delay_us,
		  sd_event_time_handler_t fn, void *userdata);
/* Free a source at once, also when it runs just now, and set the pointer to NULL. */
void loop_drop(sd_event_source **source);
