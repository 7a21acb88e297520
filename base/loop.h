/* SPDX-License-Identifier: MIT */
/*
 * The event loop: the only interface to sd-event (see `man sd-event`). One loop for each thread;
 * only that thread may use it.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>
#include <systemd/sd-event.h>

/* Set a relative one-shot timer on CLOCK_BOOTTIME. *source is NULL (a timer is created) or an old
 * timer (it is moved). Returns 0 or -errno. */
int loop_after_us(sd_event *e, sd_event_source **source, int64_t delay_us,
		  sd_event_time_handler_t fn, void *userdata);
/* Move a timer of loop_after_us(), whoever has made it. Returns 0 or -errno. */
int loop_again_us(sd_event_source *source, int64_t delay_us);
/* Free a source at once, even if its handler is running, and set the pointer to NULL. */
void loop_drop(sd_event_source **source);
