/* SPDX-License-Identifier: MIT */
/* base/loop: timers that are made, moved and dropped; base/log: one fact, one line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/str.h"

#include <fcntl.h>
#include <string.h>

struct shot {
	int *order, *n, mark;
	sd_event_source **drop; /* dropped when it runs */
};

static int fire(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct shot *shot = userdata;

	shot->order[(*shot->n)++] = shot->mark;
	if (shot->drop)
		loop_drop(shot->drop);
	return 0;
}

static int finish(sd_event_source *s, uint64_t usec, void *userdata)
{
	return sd_event_exit(sd_event_source_get_event(s), 7);
}

static void test_timers(void **state)
{
	sd_event_source *early = NULL, *late = NULL, *never = NULL, *moved = NULL, *end = NULL;
	int order[8] = {0}, n = 0, seen = 0;
	struct shot shots[] = {{order, &n, 1, NULL},
			       {order, &n, 2, &late},
			       {order, &n, 3, NULL},
			       {order, &n, 4, NULL}};
	sd_event *e = NULL;

	assert_int_equal(sd_event_new(&e), 0);
	assert_int_equal(loop_after_us(e, &late, 20000, fire, &shots[1]), 0);
	assert_int_equal(loop_after_us(e, &early, 1000, fire, &shots[0]), 0);
	assert_int_equal(loop_after_us(e, &never, 5000, fire, &shots[2]), 0);
	loop_drop(&never);
	assert_null(never);
	loop_drop(&never); /* again is nothing */
	assert_int_equal(loop_after_us(e, &moved, 3600 * USEC_PER_SEC, fire, &shots[3]), 0);
	assert_int_equal(loop_after_us(e, &moved, 40000, fire, &shots[3]),
			 0); /* the same, sooner */
	assert_int_equal(loop_after_us(e, &end, 60000, finish, NULL), 0);
	/* Last, also when all are due at once because the machine is slow. */
	assert_int_equal(sd_event_source_set_priority(end, SD_EVENT_PRIORITY_IDLE), 0);
	assert_int_equal(sd_event_loop(e), 7);
	assert_int_equal(n, 3);
	for (int i = 0; i < n; i++)
		seen |= 1 << order[i];
	assert_int_equal(seen, 1 << 1 | 1 << 2 | 1 << 4);
	assert_null(late); /* dropped while it ran */
	loop_drop(&early);
	loop_drop(&moved);
	loop_drop(&end);
	sd_event_unref(e);
}

/* What log_event writes to stderr. */
static void capture(struct buf *out, enum log_level level, const char *text)
{
	int ends[2], was = dup(STDERR_FILENO);
	char *to;
	ssize_t n;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	dup2(ends[1], STDERR_FILENO);
	log_event(level, "test", "job=j1 msg=\"%s\"", text);
	dup2(was, STDERR_FILENO);
	close(was);
	close(ends[1]);
	to = buf_reserve(out, 8192);
	n = read(ends[0], to, 8192);
	assert_true(n >= 0);
	buf_added(out, (size_t)n);
	close(ends[0]);
}

static void test_log_lines(void **state)
{
	OWN(buf_done) struct buf out = BUF_INIT(8192);
	OWN(freep) char *big = calloc(1, 5000);

	unsetenv("JOURNAL_STREAM");
	clock_fake_us(INT64_C(1767323045678000));
	capture(&out, LOG_LEVEL_INFO, "a\nb\rc");
	assert_string_equal(buf_str(&out),
			    "2026-01-02T03:04:05.678Z info event=test job=j1 msg=\"a b c\"\n");
	buf_clear(&out);
	setenv("JOURNAL_STREAM", "8:1", 1);
	capture(&out, LOG_LEVEL_WARNING, "x");
	assert_string_equal(buf_str(&out), "<4>event=test job=j1 msg=\"x\"\n");
	buf_clear(&out);
	memset(big, 'z', 4999);
	capture(&out, LOG_LEVEL_ERROR, big);
	assert_true(out.len < 2500);
	assert_true(str_ends(buf_str(&out), "z…\n"));
	clock_fake_us(0);
}

static void test_log_levels(void **state)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	OWN(buf_done) struct buf out = BUF_INIT(8192);
	enum log_level level;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(log_level_parse(names[i], &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("loud", &level), -EINVAL);
	capture(&out, LOG_LEVEL_DEBUG, "not at info");
	assert_int_equal(out.len, 0);
	log_set_level(LOG_LEVEL_DEBUG);
	capture(&out, LOG_LEVEL_DEBUG, "now");
	assert_true(out.len > 0);
	buf_clear(&out);
	log_set_level(LOG_LEVEL_ERROR);
	capture(&out, LOG_LEVEL_WARNING, "too low");
	assert_int_equal(out.len, 0);
	log_set_level(LOG_LEVEL_INFO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_log_lines),
		cmocka_unit_test(test_log_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
