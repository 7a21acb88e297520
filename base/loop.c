/* SPDX-License-Identifier: MIT */
/*
 * One-shot timers of sd-event on CLOCK_BOOTTIME, which also counts the time of a suspended machine.
 */
#include "base/loop.h"

#include "base/clock.h"

#include <time.h>

static uint64_t after(int64_t delay_us)
{
	return (uint64_t)(clock_mono_us() + (delay_us > 0 ? delay_us : 0));
}

int loop_after_us(sd_event *e, sd_event_source **source, int64_t delay_us,
		  sd_event_time_handler_t fn, void *userdata)
{
	if (*source)
		return loop_again_us(*source, delay_us);
	return sd_event_add_time(e, source, CLOCK_BOOTTIME, after(delay_us), 1000, fn, userdata);
}

int loop_again_us(sd_event_source *source, int64_t delay_us)
{
	int r = sd_event_source_set_time(source, after(delay_us));

	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void loop_drop(sd_event_source **source)
{
	if (*source)
		sd_event_source_disable_unref(*source);
	*source = NULL;
}
