/* SPDX-License-Identifier: MIT */
/*
 * The slots, the queue of ended calls between the net thread and the main thread, and the functions
 * that read and write bodies.
 */
#include "transfer/s3/pump.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"

#include <string.h>

#define STOP_CHECK_US (200 * USEC_PER_MSEC)
#define LAST_CALLS_US (15 * USEC_PER_SEC) /* must be less than the grace of a stop */

int pump_new(struct transfer *t, struct pump **ret, struct err *reterr)
{
	struct pump *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;

	if (!p)
		return err_errno(reterr, ENOMEM, "start a transfer");
	p->t = t;
	p->aws = t->aws;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->cond, &attr);
	pthread_condattr_destroy(&attr);
	for (int i = 0; i < PUMP_SLOTS; i++) {
		p->slots[i].pump = p;
		p->slots[i].fd = -1;
	}
	*ret = p;
	return 0;
}

void pump_free(struct pump *p)
{
	if (!p)
		return;
	pump_drain(p);
	pthread_cond_destroy(&p->cond);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

struct slot *pump_slot(struct pump *p)
{
	struct slot *s = NULL;

	pthread_mutex_lock(&p->lock);
	for (int i = 0; i < PUMP_SLOTS && !s; i++)
		if (p->slots[i].state == SLOT_FREE)
			s = &p->slots[i];
	if (s)
		s->state = SLOT_TAKEN;
	pthread_mutex_unlock(&p->lock);
	if (!s)
		return NULL;
	s->fd = -1;
	s->memory = NULL;
	s->over = NULL;
	s->owner = NULL;
	s->part = 0;
	s->offset = s->counted = s->expected = 0;
	return s;
}

void pump_release(struct slot *s)
{
	bool under_way;

	pthread_mutex_lock(&s->pump->lock);
	under_way = s->state == SLOT_FLYING || s->state == SLOT_BACK;
	pthread_mutex_unlock(&s->pump->lock);
	if (under_way)
		return; /* pump_drain() frees it */
	s3_call_done(&s->s3);
	pthread_mutex_lock(&s->pump->lock);
	s->state = SLOT_FREE;
	pthread_mutex_unlock(&s->pump->lock);
}

/* Runs on the net thread, or inside aws_send(). */
static void on_done(struct aws_call *c)
{
	struct slot *s = c->userdata;
	struct pump *p = s->pump;

	pthread_mutex_lock(&p->lock);
	s->state = SLOT_BACK;
	pthread_cond_signal(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

void pump_send(struct slot *s)
{
	struct pump *p = s->pump;

	s->got = 0;
	s->io_errno = 0;
	s->s3.call.done = on_done;
	s->s3.call.userdata = s;
	pthread_mutex_lock(&p->lock);
	s->state = SLOT_FLYING;
	pthread_mutex_unlock(&p->lock);
	p->flying++;
	aws_send(p->aws, &s->s3.call);
}

/* Wait for an ended call: `only`, or if NULL any call with an `over`. NULL: none ended within
 * timeout_us. */
static struct slot *wait_back(struct pump *p, const struct slot *only, int64_t timeout_us)
{
	struct slot *found = NULL;
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (timeout_us % USEC_PER_SEC) * 1000;
	until.tv_sec += timeout_us / USEC_PER_SEC + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&p->lock);
	while (!found && r == 0) {
		for (int i = 0; i < PUMP_SLOTS && !found; i++) {
			struct slot *s = &p->slots[i];

			if (s->state == SLOT_BACK && (s == only || s->over || !only))
				found = s;
		}
		if (!found)
			r = pthread_cond_timedwait(&p->cond, &p->lock, &until);
	}
	if (found)
		found->state = SLOT_TAKEN;
	pthread_mutex_unlock(&p->lock);
	if (found)
		p->flying--;
	return found;
}

void pump_drain(struct pump *p)
{
	for (int i = 0; i < PUMP_SLOTS; i++) {
		bool flying;

		pthread_mutex_lock(&p->lock);
		flying = p->slots[i].state == SLOT_FLYING;
		pthread_mutex_unlock(&p->lock);
		if (flying)
			aws_cancel(p->aws, &p->slots[i].s3.call);
	}
	while (p->flying > 0) {
		struct slot *s = wait_back(p, NULL, USEC_PER_SEC);

		if (s)
			pump_release(s);
	}
}

static int handle(struct slot *s, struct err *reterr)
{
	int r = s->over(s, reterr);

	pump_release(s);
	return r;
}

int pump_turn(struct pump *p, struct err *reterr)
{
	struct slot *s = NULL;

	while (!s) {
		int r = transfer_stopped(p->t, reterr);

		if (r < 0)
			return r;
		s = wait_back(p, NULL, STOP_CHECK_US);
	}
	return handle(s, reterr);
}

int pump_call(struct slot *s, struct err *reterr)
{
	s->over = NULL;
	pump_send(s);
	for (;;) {
		struct slot *back;
		int r = transfer_stopped(s->pump->t, reterr);

		if (r < 0)
			return r;
		back = wait_back(s->pump, s, STOP_CHECK_US);
		if (back == s)
			return s->s3.call.result < 0 ? pump_why(s, reterr) : 0;
		r = back ? handle(back, reterr) : 0;
		if (r < 0)
			return r;
	}
}

int pump_call_last(struct slot *s, struct err *reterr)
{
	struct slot *back = NULL;
	int64_t end;

	if (!s->pump->last_end_us)
		s->pump->last_end_us = clock_mono_us() + LAST_CALLS_US;
	end = s->pump->last_end_us;

	s->over = NULL;
	s->s3.call.attempts_max = 3;
	pump_send(s);
	while (!back && clock_mono_us() < end)
		back = wait_back(s->pump, s, STOP_CHECK_US);
	if (!back) {
		aws_cancel(s->pump->aws, &s->s3.call);
		while (!back)
			back = wait_back(s->pump, s, STOP_CHECK_US);
	}
	return s->s3.call.result < 0 ? pump_why(s, reterr) : 0;
}

/* ---- bodies, on the net thread ---- */

ssize_t pump_read_file(struct net_request *rq, char *data, size_t size, size_t offset)
{
	struct aws_call *c = rq->userdata;
	struct slot *s = c->userdata;
	ssize_t n;

	do
		n = pread(s->fd, data, size, s->offset + (int64_t)offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		s->io_errno = errno;
	if (n > 0 && (int64_t)offset + n > s->counted) {
		transfer_moved(s->pump->t, (int64_t)offset + n - s->counted);
		s->counted = (int64_t)offset + n;
	}
	return n;
}

static void count_answer(struct slot *s, size_t len)
{
	s->got += (int64_t)len;
	if (s->got > s->counted) {
		transfer_moved(s->pump->t, s->got - s->counted);
		s->counted = s->got;
	}
}

bool pump_write_memory(struct net_request *rq, const char *data, size_t len)
{
	struct aws_call *c = rq->userdata;
	struct slot *s = c->userdata;

	if (s->got + (int64_t)len > s->expected) {
		s->io_errno = EOVERFLOW;
		return false;
	}
	memcpy(s->memory + s->got, data, len);
	count_answer(s, len);
	return true;
}

/* The client never repeats a call after a byte of its answer arrived, so `got` is the right
 * place. */
bool pump_write_file(struct net_request *rq, const char *data, size_t len)
{
	struct aws_call *c = rq->userdata;
	struct slot *s = c->userdata;

	if (s->got + (int64_t)len > s->expected) {
		s->io_errno = EOVERFLOW;
		return false;
	}
	for (size_t at = 0; at < len;) {
		ssize_t n = pwrite(s->fd, data + at, len - at, s->offset + s->got + (int64_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			s->io_errno = n < 0 ? errno : EIO;
			return false;
		}
		at += (size_t)n;
	}
	count_answer(s, len);
	return true;
}
