/* SPDX-License-Identifier: MIT */
/* Calls sd_notify(3). The watchdog is reset only if systemd asks for it. */
#include "daemon/systemd.h"

#include <stddef.h>
#include <systemd/sd-daemon.h>

void systemd_state(const char *state)
{
	sd_notify(0, state);
}

void systemd_watchdog(void)
{
	static int enabled = -1;

	if (enabled < 0)
		enabled = sd_watchdog_enabled(0, NULL) > 0;
	if (enabled)
		sd_notify(0, "WATCHDOG=1");
}
