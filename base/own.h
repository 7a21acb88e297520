/* SPDX-License-Identifier: MIT */
/*
 * Scoped ownership. `OWN(fn) T x = init;` calls fn(&x) at the end of x's scope. TAKE(p) moves a
 * pointer out and leaves NULL; TAKE_FD moves a descriptor out and leaves -1.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OWN(fn) __attribute__((cleanup(fn)))
#define TAKE(p)                             \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})
#define TAKE_FD(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* free(3) for any pointer variable. */
static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void closep(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static inline void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}
