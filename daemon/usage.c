/* SPDX-License-Identifier: MIT */
/* Measures the use of the disk with a worker process, one at a time, because that reads the whole
 * directory. Any thread; blocks. */
#include "base/clock.h"
#include "base/own.h"
#include "daemon/core.h"
#include "daemon/submit/inspect.h"

#include <stdatomic.h>

#define BUDGET_MS	 10000 /* the worker measures for this time, then reports what it has */
#define ANSWER_MS	 5000  /* further time to write the report */
#define USAGE_ANSWER_MAX (64 << 20)

static atomic_flag busy = ATOMIC_FLAG_INIT;

static int ask_worker(struct manager *mgr, json_t *question, json_t **ret, struct err *reterr)
{
	OWN(buf_done) struct buf answer = BUF_INIT(USAGE_ANSWER_MAX);
	int64_t until_us = clock_mono_us() + (BUDGET_MS + ANSWER_MS) * USEC_PER_MSEC;
	int r;

	json_object_set_new(question, "data_dir", json_string(mgr->settings->data_dir));
	json_object_set_new(question, "budget_ms", json_integer(BUDGET_MS));
	r = inspect_ask(mgr->settings, "usage", question, until_us, &answer, reterr);
	if (r < 0)
		return r;
	if (json_parse(buf_str(&answer), answer.len, ret, NULL) < 0)
		return err_set(reterr, ERR_UNAVAILABLE,
			       "the disk did not answer within %d s; try again",
			       (BUDGET_MS + ANSWER_MS) / 1000);
	return 0;
}

int manager_usage(struct manager *mgr, json_t *question, json_t **ret, struct err *reterr)
{
	int r;

	if (atomic_flag_test_and_set(&busy))
		return err_set(reterr, ERR_LIMIT,
			       "the daemon measures the disk for another request; try again later");
	r = ask_worker(mgr, question, ret, reterr);
	atomic_flag_clear(&busy);
	return r;
}
