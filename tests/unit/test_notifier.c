/* SPDX-License-Identifier: MIT */
/*
 * The limit of messages in a window: none is lost without a count. tests/api/test_notifications.py
 * has the rest.
 */
#include "tests/unit/manager_rig.h"

#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/notification/notifier.h"
#include "tests/unit/wait.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define RUNS	  60
#define WINDOW_US (5 * USEC_PER_SEC)

struct told {
	int messages, more, left_out;
};

/* A program that appends each message to a file. */
static void start_with_program(struct rig *rig, char program[PATH_MAX])
{
	char script[2 * PATH_MAX];
	struct err e;

	rig_stop(rig);
	str_must_format(program, PATH_MAX, "%s/receiver", rig->root);
	str_must_format(script, sizeof(script), "#!/bin/sh\ncat >> %s/messages\n", rig->root);
	assert_int_equal(file_write_atomic(AT_FDCWD, program, script, strlen(script), 0700, &e), 0);
	rig->set.notify = (struct notify_settings){
		.command = program, .kinds = UINT32_MAX, .window_us = WINDOW_US};
	rig_start(rig);
}

static void read_messages(struct rig *rig, struct told *ret)
{
	OWN(buf_done) struct buf text = BUF_INIT(1 << 20);
	char path[PATH_MAX], *line, *rest;
	struct err e;

	*ret = (struct told){0};
	str_must_format(path, sizeof(path), "%s/messages", rig->root);
	if (file_read(AT_FDCWD, path, &text, &e) < 0)
		return;
	rest = text.data;
	while ((line = strsep(&rest, "\n")) && *line) {
		OWN(json_decrefp) json_t *message = NULL;

		if (json_parse(line, strlen(line), &message, &e) < 0)
			return; /* it is being written */
		if (str_eq(json_get_str(message, "event", ""), "more")) {
			ret->more++;
			ret->left_out += (int)strtol(json_get_str(message, "text", ""), NULL, 10);
		} else {
			assert_string_equal(json_get_str(message, "event", ""), "run_ended");
			ret->messages++;
		}
	}
}

static void test_what_is_left_out_is_counted(void **state)
{
	struct rig *rig = *state;
	char program[PATH_MAX], run[ID_LEN];
	struct told told;

	start_with_program(rig, program);
	for (int i = 0; i < RUNS; i++)
		rig_submit(rig,
			   "{\"name\":\"ask\",\"kind\":\"predict\",\"endpoint\":\"none\","
			   "\"inputs\":\"x\"}",
			   run);
	wait_until((read_messages(rig, &told), told.messages + told.left_out >= RUNS));
	assert_int_equal(told.messages + told.left_out, RUNS);
	assert_in_range(told.more, 1, RUNS / NOTIFIER_MESSAGES);
	assert_true(told.messages >= NOTIFIER_MESSAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_left_out_is_counted, rig_setup,
						rig_teardown),
	};

	rig_block_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
