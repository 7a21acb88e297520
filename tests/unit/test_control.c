/* SPDX-License-Identifier: MIT */
/* wire/control: requests and replies as text, the limits, and connecting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fileio.h"
#include "base/own.h"
#include "base/tree.h"
#include "tests/unit/scratch.h"
#include "wire/control.h"
#include "wire/execution.h"

#include <string.h>
#include <sys/stat.h>

static void test_request_round_trip(void **state)
{
	struct control_request req = {.op = CONTROL_STOP, .grace_ms = 2500}, got = {0};
	OWN(json_decrefp) json_t *j = control_request_format(&req);
	OWN(freep) char *text = json_text(j);
	struct err e;

	assert_string_equal(text, "{\"grace_ms\":2500,\"op\":\"stop\",\"v\":1}");
	assert_int_equal(control_request_parse(text, strlen(text), &got, &e), 0);
	assert_int_equal(got.op, CONTROL_STOP);
	assert_int_equal(got.grace_ms, 2500);
}

static void test_request_defaults(void **state)
{
	const char *stop = "{\"v\":1,\"op\":\"stop\"}", *ping = "{\"v\":1,\"op\":\"ping\"}";
	struct control_request got = {0};

	assert_int_equal(control_request_parse(stop, strlen(stop), &got, NULL), 0);
	assert_int_equal(got.grace_ms, -1);
	assert_int_equal(control_request_parse(ping, strlen(ping), &got, NULL), 0);
	assert_int_equal(got.op, CONTROL_PING);
}

static void test_request_refusals(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *word;
	} cases[] = {
		{"", ERR_INVALID, "control message"},
		{"{", ERR_INVALID, "control message"},
		{"[1]", ERR_INVALID, "must be an object, not a list"},
		{"{\"op\":\"ping\"}", ERR_UNSUPPORTED, "version 0"},
		{"{\"v\":7,\"op\":\"ping\"}", ERR_UNSUPPORTED, "version 7"},
		{"{\"v\":1}", ERR_INVALID, "\"ping\" or \"stop\""},
		{"{\"v\":1,\"op\":\"dance\"}", ERR_INVALID, "\"ping\" or \"stop\""},
		{"{\"v\":1,\"op\":\"stop\",\"grace_ms\":-1}", ERR_INVALID, "grace_ms"},
		{"{\"v\":1,\"op\":\"stop\",\"grace_ms\":1.5}", ERR_INVALID, "grace_ms"},
		{"{\"v\":1,\"op\":\"stop\",\"grace_ms\":86400001}", ERR_INVALID, "grace_ms"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct control_request got;
		struct err e = {0};
		int r = control_request_parse(cases[i].text, strlen(cases[i].text), &got, &e);

		assert_int_equal(r, -cases[i].code);
		if (!strstr(e.msg, cases[i].word))
			fail_msg("%s: '%s' lacks '%s'", cases[i].text, e.msg, cases[i].word);
	}
}

static void test_length_limit(void **state)
{
	char text[EXECUTION_CONTROL_MAX + 1];
	struct control_request got;
	int n = snprintf(text, sizeof(text), "{\"v\":1,\"op\":\"ping\"}");

	memset(text + n, ' ', sizeof(text) - (size_t)n);
	assert_int_equal(control_request_parse(text, EXECUTION_CONTROL_MAX, &got, NULL), 0);
	assert_int_equal(control_request_parse(text, EXECUTION_CONTROL_MAX + 1, &got, NULL),
			 -ERR_LIMIT);
}

static void test_replies(void **state)
{
	OWN(json_decrefp) json_t *ok = control_reply_ok(42);
	OWN(json_decrefp) json_t *bare = control_reply_ok(-1);
	OWN(json_decrefp) json_t *bad = control_reply_error("it \"broke\"");
	OWN(freep) char *ok_text = json_text(ok);
	OWN(freep) char *bare_text = json_text(bare);
	OWN(freep) char *bad_text = json_text(bad);

	assert_string_equal(ok_text, "{\"ok\":true,\"pid\":42,\"v\":1}");
	assert_string_equal(bare_text, "{\"ok\":true,\"v\":1}");
	assert_string_equal(bad_text, "{\"error\":\"it \\\"broke\\\"\",\"ok\":false,\"v\":1}");
}

static void test_client_without_server(void **state)
{
	char dir[64];
	struct sockaddr_un addr;
	socklen_t len;
	int dirfd, bound = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd = -1;

	scratch_make(dir, sizeof(dir), "control");
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(socket_address(dirfd, EXECUTION_CONTROL, &addr, &len), 0);
	assert_int_equal(bind(bound, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(control_connect(dirfd, &fd, NULL), -ECONNREFUSED);
	assert_int_equal(unlinkat(dirfd, EXECUTION_CONTROL, 0), 0);
	assert_int_equal(control_connect(dirfd, &fd, NULL), -ENOENT);
	assert_int_equal(fd, -1);
	close(bound);
	close(dirfd);
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_round_trip),
		cmocka_unit_test(test_request_defaults),
		cmocka_unit_test(test_request_refusals),
		cmocka_unit_test(test_length_limit),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_client_without_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
