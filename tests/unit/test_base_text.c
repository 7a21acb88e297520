/* SPDX-License-Identifier: MIT */
/* base/str, base/clock, base/id, base/hash, base/err: texts in and out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/log.h"
#include "base/own.h"
#include "base/percent.h"
#include "base/printable.h"
#include "base/span.h"
#include "base/str.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define US USEC_PER_SEC

static void test_formats(void **state)
{
	char buf[8], same[8];

	assert_true(str_format(buf, sizeof(buf), "%s/%d", "1234", 56));
	assert_string_equal(buf, "1234/56");
	assert_false(str_format(buf, sizeof(buf), "%s/%d", "12345", 56));
	assert_true(str_excerptf(buf, sizeof(buf), "%s/%d", "1234", 56));
	assert_string_equal(buf, "1234/56");
	assert_false(str_excerptf(buf, sizeof(buf), "%s/%d", "12345", 56));
	assert_string_equal(buf, "1234…");
	assert_false(str_excerptf(buf, sizeof(buf), "%s", "aäöüß"));
	assert_string_equal(buf, "aä…");
	str_must_format(buf, sizeof(buf), "%s/%d", "1234", 56);
	str_assign(same, buf);
	assert_string_equal(same, "1234/56");
}

static void test_copies(void **state)
{
	char buf[8];

	assert_true(str_copy(buf, sizeof(buf), "1234567"));
	assert_string_equal(buf, "1234567");
	assert_false(str_copy(buf, sizeof(buf), "12345678"));
	assert_string_equal(buf, "1234567");
	assert_true(str_excerpt(buf, sizeof(buf), "1234567"));
	assert_string_equal(buf, "1234567");
	assert_false(str_excerpt(buf, sizeof(buf), "12345678"));
	assert_string_equal(buf, "1234…");
	assert_false(str_excerpt(buf, sizeof(buf), "äöüß")); /* 8 bytes */
	assert_string_equal(buf, "äö…");
	assert_false(str_excerpt(buf, sizeof(buf), "aäöüß")); /* never half a character */
	assert_string_equal(buf, "aä…");
	assert_false(str_excerpt(buf, 3, "abc")); /* no room for the mark */
	assert_string_equal(buf, "ab");
	assert_true(str_eq(NULL, NULL));
	assert_false(str_eq(NULL, ""));
	assert_true(str_starts("abc", "ab"));
	assert_false(str_starts("a", "ab"));
	assert_true(str_ends("abc", "bc"));
	assert_false(str_ends("c", "bc"));
}

static void test_nearest(void **state)
{
	static const char *const words[] = {"learning_rate", "epochs", "seed", "model"};
	char longer[80];

	assert_string_equal(str_nearest("lerning_rate", words, 4), "learning_rate");
	assert_string_equal(str_nearest("epoch", words, 4), "epochs");
	assert_string_equal(str_nearest("modle", words, 4), "model");
	assert_null(str_nearest("temperature", words, 4));
	assert_null(str_nearest("seed", words, 0));
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_null(str_nearest(longer, words, 4));
}

static void test_numbers(void **state)
{
	static const char *const bad_i64[] = {"", " 1", "1 ", "1x", "0x10", "1.0", "-"};
	static const char *const bad_double[] = {"", " 1", "1 ", "nan", "inf", "1e999", "1x"};
	int64_t i = 0;
	double d = 0;

	assert_int_equal(str_to_i64("-9223372036854775808", &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(str_to_i64("9223372036854775808", &i), -ERANGE);
	for (size_t n = 0; n < ARRAY_LEN(bad_i64); n++)
		assert_int_equal(str_to_i64(bad_i64[n], &i), -EINVAL);
	assert_int_equal(str_to_double("-2.5e-3", &d), 0);
	assert_true(d == -2.5e-3);
	for (size_t n = 0; n < ARRAY_LEN(bad_double); n++)
		assert_int_equal(str_to_double(bad_double[n], &d), -EINVAL);
	assert_int_equal(str_to_any_double("nan", &d), 0);
	assert_true(isnan(d));
	assert_int_equal(str_to_any_double("-inf", &d), 0);
	assert_true(isinf(d) && d < 0);
	assert_int_equal(str_to_any_double("Infinity", &d), 0);
	assert_true(isinf(d) && d > 0);
	assert_int_equal(str_to_any_double("1x", &d), -EINVAL);
	assert_int_equal(str_to_any_double("", &d), -EINVAL);
}

static void test_bytes(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} good[] = {
		{"0", 0},
		{"1024", 1024},
		{"512MB", 512000000},
		{"8GiB", 8LL << 30},
		{"1.5 KiB", 1536},
		{"2T", 2LL << 40},
		{"1K", 1024},
		{"3TB", 3000000000000LL},
		{"7B", 7},
	};
	static const char *const bad[] = {"",	  "GiB",  "-1",	     "1 XB",	       "1e3",
					  "0x10", "1gib", "9e30TiB", "99999999999TiB", "1..2",
					  "1.2.3"};
	int64_t v = 0;
	char buf[24];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(str_parse_bytes(good[i].text, &v), 0);
		assert_true(v == good[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (str_parse_bytes(bad[i], &v) != -EINVAL)
			fail_msg("'%s' was taken as %lld", bad[i], (long long)v);
	assert_string_equal(str_bytes(buf, sizeof(buf), 0), "0 B");
	assert_string_equal(str_bytes(buf, sizeof(buf), 1023), "1023 B");
	assert_string_equal(str_bytes(buf, sizeof(buf), 1024), "1.0 KiB");
	assert_string_equal(str_bytes(buf, sizeof(buf), 9878424781LL), "9.2 GiB");
	assert_string_equal(str_bytes(buf, sizeof(buf), INT64_MAX), "8192.0 PiB");
}

static void test_utf8(void **state)
{
	static const char *const good[] = {"",
					   "a",
					   "\x7f",
					   "ä",
					   "語",
					   "😀",
					   "\xf4\x8f\xbf\xbf",
					   "\xed\x9f\xbf",
					   "\xee\x80\x80"};
	static const char *const bad[] = {
		"\x80",
		"\xc3",
		"\xc0\x80",
		"\xe0\x80\x80",
		"\xed\xa0\x80",
		"\xf0\x80\x80\x80",
		"\xf4\x90\x80\x80",
		"\xff",
		"a\xe8\xaa",
		"\xf5\x80\x80\x80",
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(str_utf8_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(str_utf8_valid(bad[i], strlen(bad[i])));
	assert_true(str_utf8_valid("a\0b", 3));
}

/* Every byte value at every place of a text of several words, with and without a second one. */
static void test_spans(void **state)
{
	char text[20];

	for (size_t at = 0; at < sizeof(text); at++)
		for (int byte = 0; byte < 256; byte++)
			for (size_t second = 0; second <= at; second++) {
				bool plain = byte >= ' ' && byte != '"' && byte != '\\';
				size_t end = sizeof(text);

				memset(text, 'a', sizeof(text));
				text[second] = (char)0xff;
				text[at] = (char)byte;
				assert_int_equal(span_plain(text, end), plain ? end : at);
				assert_int_equal(span_ascii(text, end), second < at   ? second
									: byte >= 128 ? at
										      : end);
			}
	assert_int_equal(span_plain("a\"b", 1), 1);
	assert_int_equal(span_plain("", 0), 0);
	assert_int_equal(span_ascii("", 0), 0);
}

static void test_ids(void **state)
{
	char last[ID_LEN] = "", id[ID_LEN];

	clock_fake_us(INT64_C(1767323045678000));
	for (int i = 0; i < 5000; i++) { /* all in one millisecond */
		id_new('r', id);
		assert_true(id_valid('r', id));
		assert_true(strcmp(last, id) < 0);
		memcpy(last, id, sizeof(id));
	}
	clock_fake_us(INT64_C(1767323040000000)); /* the clock went back */
	id_new('r', id);
	assert_true(strcmp(last, id) < 0);
	memcpy(last, id, sizeof(id));
	clock_fake_us(INT64_C(1767323045679000));
	id_new('r', id);
	assert_true(strcmp(last, id) < 0);
	clock_fake_us(0);
	assert_false(id_valid('j', id));
	assert_false(id_valid('r', "r123"));
	id[5] = 'u'; /* not in the alphabet */
	assert_false(id_valid('r', id));
}

static void test_hash(void **state)
{
	static const struct {
		const char *text, *hex;
	} vectors[] = {
		/* FIPS 180-4 */
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	char hex[HASH_HEX_LEN];

	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		hash_bytes(vectors[i].text, strlen(vectors[i].text), hex);
		assert_string_equal(hex, vectors[i].hex);
	}
	OWN(hash_freep) struct hash *h = hash_new();

	for (int i = 0; i < 1000; i++) /* a million 'a' in pieces */
		hash_update(h, memset((char[1000]){0}, 'a', 1000), 1000);
	hash_hex(h, hex);
	assert_string_equal(hex,
			    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_errors(void **state)
{
	char text[ERR_MSG_MAX * 2];
	struct err e;

	assert_int_equal(err_set(&e, ERR_LIMIT, "at most %d", 3), -ERR_LIMIT);
	assert_string_equal(e.msg, "at most 3");
	assert_string_equal(e.field, "");
	assert_int_equal(err_at(&e, ERR_INVALID, "/a/0", "bad"), -ERR_INVALID);
	assert_string_equal(e.field, "/a/0");
	assert_int_equal(err_errno(&e, ENOENT, "read %s", "x"), -ENOENT);
	assert_string_equal(e.msg, "cannot read x: No such file or directory");
	assert_int_equal(err_ctx(&e, -ENOENT, "job %d", 7), -ENOENT);
	assert_string_equal(e.msg, "job 7: cannot read x: No such file or directory");
	assert_int_equal(e.code, ENOENT);
	assert_int_equal(err_set(NULL, ERR_GONE, "%s", "nobody listens"), -ERR_GONE);
	assert_int_equal(err_ctx(NULL, -3, "x"), -3);
	/* what a message quotes may be any bytes */
	err_set(&e, ERR_INVALID, "a\xff %s \xe2\x82", "\xe2\x82\xac\xc3");
	assert_string_equal(e.msg, "a? \xe2\x82\xac? ??");
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "é", 3);
	for (int shift = 0; shift < 2; shift++) { /* a cut text is still a text */
		err_set(&e, ERR_INVALID, "%s%s", shift ? "x" : "", text);
		assert_true(str_utf8_valid(e.msg, strlen(e.msg)));
		assert_true(strlen(e.msg) > ERR_MSG_MAX - 4);
		err_ctx(&e, -1, "%s", shift ? "a" : "ab");
		assert_true(str_utf8_valid(e.msg, strlen(e.msg)));
	}
}

static void assert_printable(const char *in, const char *expected)
{
	char out[256 * PRINTABLE_GROWTH];
	size_t n = printable(out, in, strlen(in), NULL);

	assert_int_equal(n, strlen(expected));
	assert_memory_equal(out, expected, n);
}

static void test_nothing_printed_commands_a_terminal(void **state)
{
	char out[64];
	size_t left;

	assert_printable("a\tb\n\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
			 "a\tb\n\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	assert_printable("\x1b[2J\x07\x7f\b", "\\u001b[2J\\u0007\\u007f\\u0008");
	assert_printable("\xc2\x9b"
			 "2J",
			 "\\u009b2J"); /* CSI in one character */
	assert_printable("\x9b"
			 "2J",
			 "\xef\xbf\xbd"
			 "2J"); /* and in one byte */
	assert_printable("\xc3", "\xef\xbf\xbd");
	assert_printable("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_printable("10%\r20%\r\nend", "10%\n20%\nend");
	/* a character that is cut waits for its end */
	assert_int_equal(printable(out, "ab\xe2\x82", 4, &left), 2);
	assert_int_equal(left, 2);
	assert_int_equal(printable(out, "ab\xe2\x1b", 4, &left), 2 + 3 + PRINTABLE_GROWTH);
	assert_int_equal(left, 0);
}

/* What log_event writes to stderr. */
static void logged(const char *text, char *line, size_t size)
{
	int old = dup(STDERR_FILENO), ends[2];
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	log_event(LOG_LEVEL_ERROR, "test", "msg=\"%s\"", text);
	dup2(old, STDERR_FILENO);
	n = read(ends[0], line, size - 1);
	line[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	close(ends[1]);
	close(old);
}

static void test_the_log_has_no_control_characters(void **state)
{
	char line[4096], many[4096];

	logged("\x1b]0;owned\x07 \r\nforged=1 \xc2\x9b", line, sizeof(line));
	assert_non_null(strstr(line, "msg=\"\\u001b]0;owned\\u0007   forged=1 \\u009b\"\n"));
	memset(many, 0x1b, sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	logged(many, line, sizeof(line));
	assert_true(strlen(line) <= 2048);
	assert_null(strchr(line, 0x1b));
	assert_int_equal(line[strlen(line) - 1], '\n');
}

static void test_hex_bytes(void **state)
{
	static const char *const none[] = {"", "1", "g0", "0g", " 1", "-1", "0x", "/0", ":0", "@a"};

	assert_int_equal(str_hex_byte("00"), 0);
	assert_int_equal(str_hex_byte("fFz"), 255);
	assert_int_equal(str_hex_byte("9A"), 0x9a);
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_int_equal(str_hex_byte(none[i]), -1);
}

static void test_percent(void **state)
{
	struct buf b = BUF_INIT(16);
	char text[] = "%2fa+b%zz%4", fits[4];

	assert_int_equal(percent_encode(&b, "a-B_1.~ /%", ""), 0);
	assert_string_equal(buf_str(&b), "a-B_1.~%20%2F%25");
	assert_true(percent_encode(&b, "x", "") < 0);
	buf_clear(&b);
	assert_int_equal(percent_encode(&b, "/\xc3\xbc", "/"), 0);
	assert_string_equal(buf_str(&b), "/%C3%BC");
	buf_done(&b);
	assert_true(percent_decode(text, false, text, sizeof(text)));
	assert_string_equal(text, "/a+b%zz%4");
	assert_true(percent_decode("a+%62", true, fits, sizeof(fits)));
	assert_string_equal(fits, "a b");
	assert_false(percent_decode("a+%62c", true, fits, sizeof(fits)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_hex_bytes),
		cmocka_unit_test(test_percent),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_nothing_printed_commands_a_terminal),
		cmocka_unit_test(test_the_log_has_no_control_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
