/* SPDX-License-Identifier: MIT */
/* The feed: order, filters, the ring's edge, waits and their ends. */
#include "base/clock.h"
#include "base/own.h"
#include "daemon/feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static json_t *event(int64_t seq, const char *job)
{
	return json_pack("{sI ss ss ss}", "seq", (json_int_t)seq, "kind", "job_state", "run", "r1",
			 "job", job);
}

static struct feed *new_feed(int64_t last)
{
	struct feed *f = NULL;
	struct err e = {0};

	assert_int_equal(feed_new(last, &f, &e), 0);
	return f;
}

static size_t read_n(struct feed *f, const char *job, int64_t since, size_t max, int64_t *next)
{
	struct feed_filter filter = {0};
	OWN(json_decrefp) json_t *events = NULL;
	struct err e = {0};

	snprintf(filter.job, sizeof(filter.job), "%s", job);
	assert_int_equal(feed_read(f, &filter, since, max, &events, next, &e), 0);
	return json_array_size(events);
}

static void test_reads_in_order(void **state)
{
	struct feed *f = new_feed(10);
	struct feed_filter any = {0};
	json_t *events = NULL;
	struct err e = {0};
	int64_t next;

	feed_publish(f, 11, event(11, "a"));
	feed_publish(f, 12, event(12, "b"));
	feed_publish(f, 13, event(13, "a"));
	assert_int_equal(feed_read(f, &any, 10, 100, &events, &next, &e), 0);
	assert_int_equal(json_array_size(events), 3);
	assert_int_equal(json_get_int(json_array_get(events, 0), "seq", 0), 11);
	assert_int_equal(json_get_int(json_array_get(events, 2), "seq", 0), 13);
	assert_int_equal(next, 13);
	json_decref(events);
	assert_int_equal(read_n(f, "a", 10, 100, &next), 2);
	assert_int_equal(next, 13);
	assert_int_equal(read_n(f, "b", 12, 100, &next), 0);
	assert_int_equal(next, 13); /* the high-water mark, not the last match */
	assert_int_equal(read_n(f, "", 10, 2, &next), 2);
	assert_int_equal(next, 12); /* cut: go on from the last one taken */
	assert_int_equal(feed_read(f, &any, 9, 100, &events, &next, &e), -ERR_GONE);
	feed_free(f);
}

struct texts {
	int64_t seqs[8];
	size_t n, most;
};

static bool take_text(void *userdata, int64_t seq, const char *text)
{
	struct texts *t = userdata;
	OWN(json_decrefp) json_t *j = NULL;

	if (t->n == t->most)
		return false;
	assert_int_equal(json_parse(text, strlen(text), &j, NULL), 0);
	assert_int_equal(json_get_int(j, "seq", 0), seq);
	t->seqs[t->n++] = seq;
	return true;
}

static void test_texts_are_those_of_the_events(void **state)
{
	struct feed *f = new_feed(10);
	struct feed_filter only_a = {.job = "a"};
	struct err e = {0};

	for (int64_t seq = 11; seq <= 14; seq++)
		feed_publish(f, seq, event(seq, seq % 2 ? "a" : "b"));
	for (size_t most = 0; most <= 2; most++) {
		struct texts t = {.most = most};
		int64_t next;

		assert_int_equal(feed_read_text(f, &only_a, 10, take_text, &t, &next, &e), 0);
		assert_int_equal(t.n, most);
		/* an event that was not taken is not examined; 14 is no match and the last */
		assert_int_equal(next, most == 0 ? 10 : most == 1 ? 12 : 14);
		assert_int_equal(feed_read_text(f, &only_a, 9, take_text, &t, &next, &e),
				 -ERR_GONE);
	}
	feed_free(f);
}

static void test_ring_forgets_the_oldest(void **state)
{
	struct feed *f = new_feed(0);
	struct feed_filter any = {0};
	json_t *events = NULL;
	struct err e = {0};
	int64_t next;

	for (int64_t seq = 1; seq <= FEED_RING_EVENTS; seq++)
		feed_publish(f, seq, event(seq, "a"));
	assert_int_equal(read_n(f, "", 0, SIZE_MAX, &next), FEED_RING_EVENTS);
	feed_publish(f, FEED_RING_EVENTS + 1, event(FEED_RING_EVENTS + 1, "a"));
	assert_int_equal(feed_read(f, &any, 0, 1, &events, &next, &e), -ERR_GONE);
	assert_int_equal(read_n(f, "", 1, SIZE_MAX, &next), FEED_RING_EVENTS);
	feed_free(f);
}

static void count_call(struct feed_waiter *w);
static struct feed_waiter waiter(const char *job, int64_t since, int64_t deadline, bool wake,
				 int *calls);

/* The forgotten event may be the one that is waited for: the caller looks in the database. */
static void test_nobody_waits_for_what_is_forgotten(void **state)
{
	struct feed *f = new_feed(0);
	int calls = 0;
	struct feed_waiter first = waiter("b", 0, 1000, false, &calls);
	struct feed_waiter second = waiter("b", 1, 1000, false, &calls);

	feed_publish(f, 1, event(1, "b"));
	for (int64_t seq = 2; seq <= FEED_RING_EVENTS + 1; seq++)
		feed_publish(f, seq, event(seq, "a"));
	assert_false(feed_wait(f, &first));
	assert_true(feed_wait(f, &second));
	assert_true(feed_cancel(f, &second));
	feed_free(f);
}

static void count_call(struct feed_waiter *w)
{
	++*(int *)w->userdata;
}

static struct feed_waiter waiter(const char *job, int64_t since, int64_t deadline, bool wake,
				 int *calls)
{
	struct feed_waiter w = {.since = since,
				.deadline_mono_us = deadline,
				.wake = wake,
				.fn = count_call,
				.userdata = calls};

	snprintf(w.filter.job, sizeof(w.filter.job), "%s", job);
	return w;
}

static void test_waits(void **state)
{
	struct feed *f = new_feed(5);
	int a = 0, b = 0, c = 0;
	struct feed_waiter wa = waiter("a", 5, 1000, false, &a);
	struct feed_waiter wb = waiter("b", 5, 2000, true, &b);
	struct feed_waiter wc = waiter("", 5, 3000, false, &c);

	assert_true(feed_wait(f, &wa));
	assert_true(feed_wait(f, &wb));
	feed_publish(f, 6, event(6, "a"));
	assert_int_equal(a, 1);
	assert_int_equal(b, 0);
	assert_false(feed_wait(f, &wa)); /* 6 is newer than 5: satisfied */
	assert_int_equal(a, 1);
	feed_wake(f, "a");
	assert_int_equal(b, 0);
	feed_wake(f, "b");
	assert_int_equal(b, 1);
	wc.since = 6;
	assert_true(feed_wait(f, &wc));
	feed_expire(f, 2999);
	assert_int_equal(c, 0);
	feed_expire(f, 3000);
	assert_int_equal(c, 1);
	feed_free(f);
}

static void test_cancel_and_shutdown(void **state)
{
	struct feed *f = new_feed(0);
	int a = 0;
	struct feed_waiter w = waiter("a", 0, USEC_NEVER - 1, false, &a);

	assert_true(feed_wait(f, &w));
	assert_true(feed_cancel(f, &w));
	assert_false(feed_cancel(f, &w));
	feed_publish(f, 1, event(1, "a"));
	assert_int_equal(a, 0);
	w.since = 1;
	assert_true(feed_wait(f, &w));
	feed_expire(f, USEC_NEVER);
	assert_int_equal(a, 1);
	assert_int_equal(feed_last_seq(f), 1);
	feed_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_in_order),
		cmocka_unit_test(test_texts_are_those_of_the_events),
		cmocka_unit_test(test_ring_forgets_the_oldest),
		cmocka_unit_test(test_nobody_waits_for_what_is_forgotten),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_cancel_and_shutdown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
