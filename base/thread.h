/* SPDX-License-Identifier: MIT */
/* Starts a thread with a small stack: the default of 8 MiB counts against limits of memory. */
#pragma once

#include <pthread.h>
#include <stddef.h>

/* Start a thread that runs fn(arg). ret NULL: it is detached, so nobody joins it. Returns 0 or
 * -errno. */
int thread_start(size_t stack_bytes, void *(*fn)(void *arg), void *arg, pthread_t *ret);
