/* SPDX-License-Identifier: MIT */
/* Files in memory with a path, and numbers that are random but the same each time. */
#pragma once

#include "base/fileio.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct memory_file {
	int fd;
	char path[64];
};

static inline void memory_put(struct memory_file *f, const void *data, size_t len)
{
	f->fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(f->fd >= 0);
	assert_int_equal(fd_write_all(f->fd, data, len), 0);
	snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
}

static inline void memory_done(struct memory_file *f)
{
	close(f->fd);
}

static inline uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}
