/* SPDX-License-Identifier: MIT */
/* SIGHUP: the manager takes new settings between two turns of its loop. Other threads read the
 * pointer whenever they need a setting, so the old settings stay until the end. */
#include "base/log.h"
#include "daemon/core.h"
#include "daemon/systemd.h"

#include <signal.h>

static int on_hangup(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	struct manager *mgr = userdata;
	const struct settings *now;

	systemd_reloading();
	now = mgr->reload(mgr->reload_data);
	if (now) {
		mgr->settings = now;
		slots_publish(mgr);
		manager_want_schedule(mgr);
	}
	systemd_state("READY=1");
	return 0;
}

int manager_on_hangup(struct manager *mgr, manager_reload_fn fn, void *userdata, struct err *reterr)
{
	int r;

	mgr->reload = fn;
	mgr->reload_data = userdata;
	r = sd_event_add_signal(mgr->loop, NULL, SIGHUP, on_hangup, mgr);
	return r < 0 ? err_errno(reterr, -r, "receive SIGHUP") : 0;
}
