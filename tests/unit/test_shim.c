/* SPDX-License-Identifier: MIT */
/* The shim's parts without a process: the log cap, the reserved record, memory.events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fileio.h"
#include "base/own.h"
#include "base/tree.h"
#include "shim/log_cap.h"
#include "shim/log_pipe.h"
#include "shim/oom.h"
#include "shim/record.h"
#include "tests/unit/scratch.h"
#include "wire/execution.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define CAP INT64_C(1048576)

static bool no_holes; /* this file system punches none */

/* In the place of the C library's. */
int fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (no_holes) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

static struct stat log_stat(const struct scratch *d)
{
	struct stat st;

	assert_int_equal(fstatat(d->fd, EXECUTION_LOG, &st, 0), 0);
	return st;
}

/* Append n bytes of `c` to the log, as a child does. */
static void log_add(const struct scratch *d, char c, size_t n)
{
	OWN(closep) int fd = openat(d->fd, EXECUTION_LOG, O_WRONLY | O_APPEND | O_CLOEXEC);
	OWN(freep) char *data = malloc(n);

	memset(data, c, n);
	assert_int_equal(fd_write_all(fd, data, n), 0);
}

static void gap_read(const struct scratch *d, int64_t *from, int64_t *to)
{
	OWN(json_decrefp) json_t *j = NULL;

	assert_int_equal(json_read_file(d->fd, EXECUTION_LOG_GAP, 4096, &j, NULL), 0);
	assert_int_equal(json_get_int(j, "v", 0), WIRE_VERSION);
	*from = json_get_int(j, "from", -1);
	*to = json_get_int(j, "to", -1);
}

static void test_log_cap_at_and_past_the_limit(void **state)
{
	struct scratch *d = *state;
	struct log_cap c;
	int64_t from, to;

	assert_int_equal(log_cap_open(&c, d->fd, CAP, NULL), 0);
	log_add(d, 'a', CAP);
	assert_true(log_cap_check(&c, NULL) >= 0);
	assert_false(path_exists(d->fd, EXECUTION_LOG_GAP)); /* at the maximum */
	log_add(d, 'b', 1);
	assert_int_equal(log_cap_check(&c, NULL), 0);
	gap_read(d, &from, &to); /* one past it */
	assert_int_equal(from, CAP / 4);
	assert_int_equal(to, (CAP + 1 - CAP / 2) / 4096 * 4096);
	assert_int_equal(log_stat(d).st_size, CAP + 1);
	assert_true(log_stat(d).st_blocks * 512 <= CAP * 3 / 4 + 8192);
	log_cap_close(&c);
}

static void test_log_cap_keeps_head_and_newest(void **state)
{
	struct scratch *d = *state;
	OWN(buf_done) struct buf text = BUF_INIT(64 << 20);
	struct log_cap c;
	int64_t from, to;

	assert_int_equal(log_cap_open(&c, d->fd, CAP, NULL), 0);
	log_add(d, 'H', CAP / 4);
	for (int i = 0; i < 40; i++) {
		log_add(d, (char)('a' + i % 26), CAP / 5);
		assert_true(log_cap_check(&c, NULL) >= 0);
		assert_true(log_stat(d).st_blocks * 512 <= CAP + 8192);
	}
	gap_read(d, &from, &to);
	assert_int_equal(file_read(d->fd, EXECUTION_LOG, &text, NULL), 0);
	assert_int_equal((int64_t)text.len, CAP / 4 + 40 * (CAP / 5));
	for (int64_t i = 0; i < (int64_t)text.len; i++) {
		char want = i < from ? 'H'
			    : i < to ? '\0'
				     : (char)('a' + (i - CAP / 4) / (CAP / 5) % 26);

		if (text.data[i] != want)
			fail_msg("byte %lld is %d, not %d", (long long)i, text.data[i], want);
	}
	assert_true((int64_t)text.len - to >= CAP / 2);
	log_cap_close(&c);
}

static void test_log_room_at_and_past_the_limit(void **state)
{
	struct scratch *d = *state;
	struct log_cap c;
	int64_t at, from, to;

	assert_int_equal(log_cap_open(&c, d->fd, CAP + LOG_CAP_BLOCK_BYTES - 1, NULL), 0);
	assert_int_equal(log_cap_room(&c, &at, NULL), CAP); /* whole blocks */
	assert_int_equal(at, 0);
	log_add(d, 'a', CAP - 1);
	assert_int_equal(log_cap_room(&c, &at, NULL), 1);
	assert_int_equal(at, CAP - 1);
	assert_false(path_exists(d->fd, EXECUTION_LOG_GAP));
	log_add(d, 'a', 1);
	assert_int_equal(log_cap_room(&c, &at, NULL), CAP / 4); /* full: it made room */
	assert_int_equal(at, CAP);
	gap_read(d, &from, &to);
	assert_int_equal(from, CAP / 4);
	assert_int_equal(to, CAP / 2);
	assert_true(log_stat(d).st_blocks * 512 <= CAP * 3 / 4 + 8192);
	log_cap_close(&c);
	assert_int_equal(log_cap_open(&c, d->fd, 0, NULL), 0); /* no cap */
	assert_int_equal(log_cap_room(&c, &at, NULL), INT64_MAX);
	log_cap_close(&c);
}

/* The hole counted on, so that a log that was emptied could grow to its former size. */
static void test_log_that_its_program_has_emptied(void **state)
{
	struct scratch *d = *state;
	struct log_cap c;
	int64_t at;

	assert_int_equal(log_cap_open(&c, d->fd, CAP, NULL), 0);
	for (int i = 0; i < 16; i++) {
		assert_true(log_cap_room(&c, &at, NULL) >= CAP / 4);
		log_add(d, 'a', CAP / 4);
	}
	/* a file that ends where the hole ends still has the hole */
	assert_int_equal(ftruncate(c.fd, c.gap_to), 0);
	assert_int_equal(log_cap_room(&c, &at, NULL), CAP - c.gap_from);
	assert_true(path_exists(d->fd, EXECUTION_LOG_GAP));
	assert_int_equal(ftruncate(c.fd, 0), 0);
	assert_int_equal(log_cap_room(&c, &at, NULL), CAP);
	assert_int_equal(at, 0);
	assert_false(path_exists(d->fd, EXECUTION_LOG_GAP));
	log_cap_close(&c);
}

static void test_log_of_a_file_system_without_holes(void **state)
{
	struct scratch *d = *state;
	OWN(buf_done) struct buf text = BUF_INIT(64 << 20);
	struct log_cap c;
	int64_t at, from, to, size = 0;

	no_holes = true;
	assert_int_equal(log_cap_open(&c, d->fd, CAP, NULL), 0);
	for (char mark = 'a'; mark <= 'z'; mark++, size += CAP / 4) {
		assert_true(log_cap_room(&c, &at, NULL) >= CAP / 4);
		assert_int_equal(at, size);
		log_add(d, mark, CAP / 4);
		assert_true(log_stat(d).st_blocks * 512 <= CAP + 8192);
	}
	assert_int_equal(log_cap_room(&c, &at, NULL), CAP / 4);
	no_holes = false;
	gap_read(d, &from, &to);
	assert_int_equal(from, CAP / 4);
	assert_int_equal(to, size - CAP / 2);
	assert_int_equal(file_read(d->fd, EXECUTION_LOG, &text, NULL), 0);
	assert_int_equal((int64_t)text.len, size);
	for (int64_t i = 0; i < size; i++)
		assert_int_equal(text.data[i], i < from ? 'a' : i < to ? 0 : 'a' + i / (CAP / 4));
	log_cap_close(&c);
}

/* The log and its pipe; the program's end. */
static int open_both(struct log_cap *c, struct log_pipe *p, int dirfd)
{
	int out = -1;

	assert_int_equal(log_cap_open(c, dirfd, LOG_CAP_MIN_BYTES, NULL), 0);
	assert_int_equal(log_pipe_open(p, &out, NULL), 0);
	return out;
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The limit of a file's size stands for a full disk. */
static void test_what_could_not_be_written_is_told(void **state)
{
	struct scratch *d = *state;
	OWN(buf_done) struct buf text = BUF_INIT(4096);
	OWN(closep) int out = -1;
	struct log_pipe p;
	struct log_cap c;

	signal(SIGXFSZ, SIG_IGN);
	out = open_both(&c, &p, d->fd);
	limit_files(6);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fd_write_all(out, "first ", 6), 0);
		log_pipe_move(&p, &c);
	}
	limit_files(RLIM_INFINITY);
	assert_int_equal(p.lost_bytes, 12);
	assert_int_equal(fd_write_all(out, "second\n", 7), 0);
	log_pipe_move(&p, &c);
	assert_int_equal(p.lost_bytes, 0);
	assert_int_equal(file_read(d->fd, EXECUTION_LOG, &text, NULL), 0);
	assert_string_equal(
		buf_str(&text),
		"first \n[trainyard: 12 bytes of the log were lost: File too large]\nsecond\n");
	log_pipe_close(&p, &c);
	log_cap_close(&c);
}

/* One that is no process of ours may keep the other end, and go on writing. */
static void test_the_log_ends_with_its_writers(void **state)
{
	struct scratch *d = *state;
	OWN(buf_done) struct buf text = BUF_INIT(4096);
	OWN(closep) int out = -1;
	struct log_pipe p;
	struct log_cap c;

	out = open_both(&c, &p, d->fd);
	log_pipe_move(&p, &c);
	assert_true(p.fd >= 0);
	assert_int_equal(fd_write_all(out, "one\n", 4), 0);
	log_pipe_close(&p, &c); /* the other end is open */
	assert_int_equal(p.fd, -1);
	log_cap_close(&c);
	close(TAKE_FD(out));
	out = open_both(&c, &p, d->fd);
	assert_int_equal(fd_write_all(out, "two\n", 4), 0);
	close(TAKE_FD(out));
	log_pipe_move(&p, &c);
	assert_int_equal(p.fd, -1); /* poll(2) would say so for ever */
	assert_int_equal(file_read(d->fd, EXECUTION_LOG, &text, NULL), 0);
	assert_string_equal(buf_str(&text), "one\ntwo\n");
	log_pipe_close(&p, &c);
	log_cap_close(&c);
}

static void test_log_cap_growth_hint_and_minimum(void **state)
{
	struct scratch *d = *state;
	struct log_cap c;

	assert_int_equal(log_cap_open(&c, d->fd, 1, NULL), 0);
	assert_int_equal(c.max_bytes, LOG_CAP_MIN_BYTES);
	log_add(d, 'a', LOG_CAP_MIN_BYTES / 8);
	assert_int_equal(log_cap_check(&c, NULL), 0);
	log_add(d, 'a', LOG_CAP_MIN_BYTES / 8 + 1);
	assert_int_equal(log_cap_check(&c, NULL), 1);
	log_cap_close(&c);
	assert_int_equal(log_cap_open(&c, d->fd, 0, NULL), 0); /* no cap */
	log_add(d, 'a', 10 * LOG_CAP_MIN_BYTES);
	assert_int_equal(log_cap_check(&c, NULL), 0);
	assert_false(path_exists(d->fd, EXECUTION_LOG_GAP));
	log_cap_close(&c);
}

static void test_record_round_trip_with_the_longest_message(void **state)
{
	struct scratch *d = *state;
	struct exit_record rec = {.cause = EXIT_TIMED_OUT,
				  .code = -1,
				  .signal = 64,
				  .started_us = INT64_MAX,
				  .finished_us = INT64_MAX,
				  .user_us = INT64_MAX,
				  .system_us = INT64_MAX,
				  .max_rss_bytes = INT64_MAX};
	struct exit_record got;
	OWN(closep) int fd = -1;

	memset(rec.message, 1, sizeof(rec.message) - 1); /* six bytes each as JSON */
	assert_int_equal(record_reserve(d->fd, &fd, NULL), 0);
	assert_int_equal(exit_record_read(d->fd, &got, NULL), -ENOENT);
	assert_int_equal(record_write(d->fd, fd, &rec, NULL), 0);
	assert_int_equal(exit_record_read(d->fd, &got, NULL), 0);
	assert_int_equal(got.cause, rec.cause);
	assert_int_equal(got.signal, 64);
	assert_string_equal(got.message, rec.message);
	assert_int_equal(record_write(d->fd, fd, &rec, NULL), 0); /* again, after a late failure */
}

/* As of a path that was cut within a character, or another process's name. */
static void test_record_of_a_message_that_is_not_text(void **state)
{
	struct scratch *d = *state;
	struct exit_record rec = {.cause = EXIT_STOPPED, .message = "caf\xc3\xa9 \xff(\xe2\x82"};
	struct exit_record got;
	OWN(closep) int fd = -1;

	assert_int_equal(record_reserve(d->fd, &fd, NULL), 0);
	assert_int_equal(record_write(d->fd, fd, &rec, NULL), 0);
	assert_int_equal(exit_record_read(d->fd, &got, NULL), 0);
	assert_string_equal(got.message, "caf\xc3\xa9 ?(??");
}

static void test_oom_texts(void **state)
{
	assert_int_equal(oom_kills_parse("low 0\noom 3\noom_kill 2\noom_group_kill 0\n"), 2);
	assert_int_equal(oom_kills_parse("oom 3\noom_group_kill 9"), -1);
	assert_int_equal(oom_kills_parse(""), -1);
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(test_log_cap_at_and_past_the_limit),
		WITH_DIR(test_log_cap_keeps_head_and_newest),
		WITH_DIR(test_log_cap_growth_hint_and_minimum),
		WITH_DIR(test_log_room_at_and_past_the_limit),
		WITH_DIR(test_log_that_its_program_has_emptied),
		WITH_DIR(test_log_of_a_file_system_without_holes),
		WITH_DIR(test_what_could_not_be_written_is_told),
		WITH_DIR(test_the_log_ends_with_its_writers),
		WITH_DIR(test_record_round_trip_with_the_longest_message),
		WITH_DIR(test_record_of_a_message_that_is_not_text),
		cmocka_unit_test(test_oom_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
