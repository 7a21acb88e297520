/* SPDX-License-Identifier: MIT */
/* Attributes for one pthread_create(3). */
#include "base/thread.h"

int thread_start(size_t stack_bytes, void *(*fn)(void *arg), void *arg, pthread_t *ret)
{
	pthread_attr_t attr;
	pthread_t thread;
	int n;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack_bytes);
	if (!ret)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	n = pthread_create(ret ? ret : &thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return -n;
}
