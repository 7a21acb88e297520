/* SPDX-License-Identifier: MIT */
/* Calls sd_notify(3) and sd_listen_fds(3). The watchdog is reset only if systemd asks for it. */
#include "daemon/systemd.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

/* The place for this descriptor, or NULL if it is no listening stream socket. */
static int *place_of(int fd, int *tcp, int *local)
{
	if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0)
		return local;
	if (sd_is_socket(fd, AF_INET, SOCK_STREAM, 1) > 0 ||
	    sd_is_socket(fd, AF_INET6, SOCK_STREAM, 1) > 0)
		return tcp;
	return NULL;
}

int systemd_sockets(int *ret_tcp, int *ret_unix, struct err *reterr)
{
	int n = sd_listen_fds(1), *place;

	*ret_tcp = *ret_unix = -1;
	if (n < 0)
		return err_errno(reterr, -n, "take the sockets of systemd");
	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
		place = place_of(fd, ret_tcp, ret_unix);
		if (!place || *place >= 0)
			return err_set(
				reterr, ERR_INVALID,
				"descriptor %d from systemd is %s; trainyard.socket may have "
				"one ListenStream= with a port and one with a path",
				fd,
				place ? "the second socket of its kind" : "not a listening socket");
		if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
			return err_errno(reterr, errno, "use the socket of systemd");
		*place = fd;
	}
	return 0;
}

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
