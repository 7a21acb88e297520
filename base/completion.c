/* SPDX-License-Identifier: MIT */
/* The one way in which a blocked thread waits for a single event of another thread. */
#include "base/completion.h"

#include "base/clock.h"

void completion_signal(struct completion *c)
{
	pthread_mutex_lock(&c->lock);
	c->over = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

void completion_wait(struct completion *c)
{
	pthread_mutex_lock(&c->lock);
	while (!c->over)
		pthread_cond_wait(&c->cond, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

bool completion_wait_us(struct completion *c, int64_t delay_us)
{
	bool over;

	pthread_mutex_lock(&c->lock);
	if (!c->over)
		cond_wait_us(&c->cond, &c->lock, delay_us);
	over = c->over;
	pthread_mutex_unlock(&c->lock);
	return over;
}
