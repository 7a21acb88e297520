/* SPDX-License-Identifier: MIT */
/* The temporary directory of a test: below TMPDIR, so that tests/run finds and removes it. */
#pragma once

#include "base/fileio.h"
#include "base/tree.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* A new directory NAME-XXXXXX, absolute. TMPDIR is read once: tests may clear the environment. */
static inline void scratch_make(char *dir, size_t size, const char *name)
{
	static char top[128];
	const char *tmpdir = getenv("TMPDIR");

	if (!top[0])
		snprintf(top, sizeof(top), "%s", tmpdir && tmpdir[0] == '/' ? tmpdir : "/tmp");
	if ((size_t)snprintf(dir, size, "%s/%s-XXXXXX", top, name) >= size)
		fail_msg("TMPDIR is too long for a test: %s", top);
	if (!mkdtemp(dir))
		fail_msg("no directory can be made below %s", top);
}

static inline void scratch_remove(const char *dir)
{
	struct err e = {0};

	if (tree_remove(AT_FDCWD, dir, &e) < 0)
		fail_msg("%s stays: %s", dir, e.msg);
}

/* cmocka's setup and teardown of a test with a directory of its own: *state. */
struct scratch {
	char dir[64];
	int fd;
};

static inline int scratch_setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	scratch_make(s->dir, sizeof(s->dir), "scratch");
	s->fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(s->fd >= 0);
	*state = s;
	return 0;
}

static inline int scratch_teardown(void **state)
{
	struct scratch *s = *state;

	close(s->fd);
	scratch_remove(s->dir);
	assert_false(path_exists(AT_FDCWD, s->dir));
	free(s);
	return 0;
}
