/* SPDX-License-Identifier: MIT */
/* The worker's event file: what it does at the size that the daemon reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fileio.h"
#include "base/own.h"
#include "tests/unit/scratch.h"
#include "wire/event.h"
#include "worker/report.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

static int64_t size_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

/* The size after one more metric. */
static int64_t put_metric(struct report *r, int fd)
{
	report_metric(r, 1, NAN, json_pack("{sf}", "loss", 0.5));
	return size_of(fd);
}

/* A script that prints metrics for ever filled the disk with events that nobody reads. */
static void test_events_at_their_limit_and_past_it(void **state)
{
	int64_t limit = EVENT_FILE_MAX - EVENT_FILE_ENDS, len, size;
	char dir[64], tail[4096] = "";
	OWN(closep) int dirfd = -1;
	OWN(closep) int fd = -1;
	struct report *r = NULL;

	scratch_make(dir, sizeof(dir), "report");
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(report_open(dirfd, &r, NULL), 0);
	fd = openat(dirfd, "events.ndjson", O_RDWR | O_CLOEXEC);
	len = put_metric(r, fd);
	assert_true(len > 0);
	assert_int_equal(ftruncate(fd, limit - len), 0); /* a hole: no space is used */
	assert_int_equal(put_metric(r, fd), limit);
	size = put_metric(r, fd); /* the warning in its place */
	assert_true(size > limit);
	assert_int_equal(put_metric(r, fd), size);
	report_progress(r, "train", "steps", 1, 1);
	report_checkpoint(r, 1, "checkpoints/checkpoint-1");
	report_warning(r, "late", "not written any more");
	assert_int_equal(size_of(fd), size);
	report_result(r, json_pack("{si}", "answer", 42));
	assert_true(size_of(fd) > size && size_of(fd) < EVENT_FILE_MAX);
	assert_true(pread(fd, tail, sizeof(tail) - 1, limit) > 0);
	assert_non_null(strstr(tail, "\"code\":\"events_cut\""));
	assert_non_null(strstr(tail, "\"answer\":42"));
	assert_non_null(strstr(tail, "\"code\":\"late\"")); /* among the warnings of the result */
	report_close(r);
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_at_their_limit_and_past_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
