/* SPDX-License-Identifier: MIT */
#include "base/loop.h"

#include "base/clock.h"

#include <time.h>

int loop_after_us(sd_event *e, sd_event_source **source, int64_t delay_us,
		  sd_event_time_handler_t fn, void *userdata)
{
	uint64_t at = (uint64_t)(clock_mono_us() + (delay_us > 0 ? delay_us : 0));
	int r;

	if (!*source)
		return sd_event_add_time(e, source, CLOCK_BOOTTIME, at, 1000, fn, userdata);
	r = sd_event_source_set_time(*source, at);
	return r < 0 ? r : sd_event_source_set_enabled(*source, SD_EVENT_ONESHOT);
}

void loop_drop(sd_event_source **source)
{
	if (*source)
		sd_event_source_disable_unref(*source);
	*source = NULL;
}
