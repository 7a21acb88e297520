/* SPDX-License-Identifier: MIT */
/* Raises the limit of descriptors, restores it for children, and keeps spare descriptors open. */
#include "base/descriptors.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static struct rlimit from_start; /* rlim_max 0: the limit was not raised */

int64_t descriptors_raise(void)
{
	struct rlimit now, wanted;

	if (getrlimit(RLIMIT_NOFILE, &now) < 0)
		return -1;
	wanted = now;
	wanted.rlim_cur =
		now.rlim_max < DESCRIPTORS_LIMIT_MAX ? now.rlim_max : DESCRIPTORS_LIMIT_MAX;
	if (wanted.rlim_cur <= now.rlim_cur || setrlimit(RLIMIT_NOFILE, &wanted) < 0)
		return (int64_t)now.rlim_cur;
	from_start = now;
	return (int64_t)wanted.rlim_cur;
}

void descriptors_restore(void)
{
	if (from_start.rlim_max)
		setrlimit(RLIMIT_NOFILE, &from_start);
}

bool spare_fill(struct spare_descriptors *s)
{
	while (s->n < DESCRIPTORS_SPARE) {
		int fd = s->n ? fcntl(s->fds[0], F_DUPFD_CLOEXEC, 0)
			      : open("/dev/null", O_RDWR | O_CLOEXEC);

		if (fd < 0)
			return false;
		s->fds[s->n++] = fd;
	}
	return true;
}

void spare_release(struct spare_descriptors *s)
{
	while (s->n)
		close(s->fds[--s->n]);
}

bool descriptors_are_left(int n)
{
	struct spare_descriptors probe = {0};
	bool left = true;

	assert(n <= DESCRIPTORS_SPARE);
	while (left && probe.n < n) {
		probe.fds[probe.n] = open("/dev/null", O_RDWR | O_CLOEXEC);
		left = probe.fds[probe.n] >= 0;
		probe.n += left;
	}
	spare_release(&probe);
	return left;
}
