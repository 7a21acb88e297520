/* SPDX-License-Identifier: MIT */
/*
 * A thread waits once for another: for the answer to a request, a call, a batch. The completion is
 * on the stack of the thread that waits. Any thread.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct completion {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool over;
};

#define COMPLETION_INIT                                                    \
	{                                                                  \
		PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false \
	}

/* Let the waiting thread go on. The completion may be gone when this returns. */
void completion_signal(struct completion *c);
/* Block until completion_signal(). */
void completion_wait(struct completion *c);
/* Likewise, for about delay_us (at most COND_WAIT_MAX_US). True if completion_signal() was called.
 */
bool completion_wait_us(struct completion *c, int64_t delay_us);
