/* SPDX-License-Identifier: MIT */
/* The check's thread, its result under a lock, and its stop, which interrupts SQLite. */
#include "daemon/database_check.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "base/thread.h"
#include "storage/store_read.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>

#define CHECK_STACK_BYTES (256 << 10)
#define INTERRUPT_US	  (10 * USEC_PER_MSEC) /* time between two interrupts */

struct database_check {
	struct store_reader *reader; /* used by the thread; interrupted by database_check_stop */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	/* True if the reader is not used any more; guarded by lock, as the fields below */
	bool over;
	const char *state;
	struct err err;
};

static const char *state_of(int r)
{
	return r >= 0 ? "ok" : r == -ERR_CORRUPT ? "damaged" : "failed";
}

static void *check_thread(void *userdata)
{
	struct database_check *c = userdata;
	int64_t start_us = clock_mono_us();
	struct err err = {0};
	int r;

	pthread_setname_np(pthread_self(), "check");
	r = store_reader_check(c->reader, &err);
	pthread_mutex_lock(&c->lock);
	c->state = state_of(r);
	c->err = err;
	c->over = true;
	pthread_cond_signal(&c->ended);
	pthread_mutex_unlock(&c->lock);
	if (r == -ERR_CANCELLED)
		return NULL;
	log_event(r < 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "database_checked",
		  "result=%s ms=%" PRId64 " msg=\"%s\"", state_of(r),
		  (clock_mono_us() - start_us) / USEC_PER_MSEC, err.msg);
	return NULL;
}

int database_check_start(const char *data_dir, struct database_check **ret, struct err *reterr)
{
	struct database_check *c = calloc(1, sizeof(*c));
	int r = c ? store_reader_open(data_dir, &c->reader, reterr)
		  : err_errno(reterr, ENOMEM, "check the database");

	if (r < 0) {
		free(c);
		return r;
	}
	c->state = "running";
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->ended, NULL);
	r = thread_start(CHECK_STACK_BYTES, check_thread, c, &c->thread);
	if (r < 0) {
		store_reader_close(c->reader);
		pthread_cond_destroy(&c->ended);
		pthread_mutex_destroy(&c->lock);
		free(c);
		return err_errno(reterr, -r, "check the database");
	}
	*ret = c;
	return 0;
}

json_t *database_check_json(struct database_check *c)
{
	json_t *j;

	if (!c)
		return json_pack("{ss}", "check", "running");
	pthread_mutex_lock(&c->lock);
	j = json_pack("{ss}", "check", c->state);
	if (c->err.msg[0])
		json_object_set_new(j, "message", json_string(c->err.msg));
	pthread_mutex_unlock(&c->lock);
	return j;
}

void database_check_stop(struct database_check *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	while (!c->over) { /* an interrupt before the statement runs has no effect */
		store_reader_interrupt(c->reader);
		cond_wait_us(&c->ended, &c->lock, INTERRUPT_US);
	}
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	store_reader_close(c->reader);
	pthread_cond_destroy(&c->ended);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
