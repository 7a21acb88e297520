/* SPDX-License-Identifier: MIT */
/* Calls sd_notify(3). The watchdog is reset only if systemd asks for it. */
#include "daemon/systemd.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stddef.h>
#include <systemd/sd-daemon.h>
#include <time.h>

void systemd_state(const char *state)
{
	sd_notify(0, state);
}

void systemd_reloading(void)
{
	struct timespec now = {0};

	/* systemd compares this clock, not the one of clock_mono_us() */
	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
		   now.tv_sec * USEC_PER_SEC + now.tv_nsec / 1000);
}

void systemd_watchdog(void)
{
	static int enabled = -1;

	if (enabled < 0)
		enabled = sd_watchdog_enabled(0, NULL) > 0;
	if (enabled)
		sd_notify(0, "WATCHDOG=1");
}
