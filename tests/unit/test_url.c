/* SPDX-License-Identifier: MIT */
/* net/url: which server gets a secret, and where a redirect leads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/own.h"
#include "base/str.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

#define PAGE "https://hub.example/a/b/page?q=1#top"

static void test_same_origin(void **state)
{
	static const char *const same[][2] = {
		{"https://hub.example/a", "https://hub.example/b?c#d"},
		{"https://hub.example", "HTTPS://HUB.example:443/"},
		{"http://hub.example:80/", "http://hub.example"},
		{"https://user:word@hub.example/", "https://hub.example/"},
		{"http://[::1]:8080/x", "http://[::1]:8080/y"},
		{"https://hub.example/", "https://hub.example?@evil.example/"},
		{"https://hub.example/", "https://hub.example#@evil.example/"},
		{"https://hub.example/", "https://evil.example@hub.example/"},
		{"http://127.0.0.1/", "http://0x7f000001/"},
	};

	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		if (!url_same_origin(same[i][0], same[i][1]))
			fail_msg("%s and %s are one origin", same[i][0], same[i][1]);
}

static void test_a_secret_stays_with_its_server(void **state)
{
	static const char *const hostile[] = {
		"http://hub.example/",
		"https://hub.example:444/",
		"http://hub.example:443/",
		"https://hub.example.evil.example/",
		"https://evil.example/hub.example",
		"https://hub.example@evil.example/",
		"https://hub.example:443@evil.example/",
		"https://hub.example\\@evil.example/",
		"https://hub.example\\.evil.example/",
		"https://evil.example?https://hub.example/",
		"https://evil.example#@hub.example/",
		"https://evil.example/@hub.example/",
		"https://hub.example%2eevil.example/",
		"https://hub.example%00.evil.example/",
		"https://hub.example%40evil.example/",
		"https://hub.example\t.evil.example/",
		"https://hub.example\r\nHost: evil.example/",
		"https://hub.example:443evil/",
		"https://hub.example:65979/", /* 443 + 65536 */
		"https://hub.example:-1/",
		"https://sub.hub.example/",
		"https://[hub.example]/",
		"https:hub.example/",
		"//hub.example/",
		"hub.example",
		"ftp://hub.example:443/",
		"file://hub.example/",
		"javascript:alert(1)",
		"https://",
		"https:///",
		"",
	};

	for (size_t i = 0; i < ARRAY_LEN(hostile); i++)
		if (url_same_origin("https://hub.example/", hostile[i]) ||
		    url_same_origin(hostile[i], "https://hub.example/"))
			fail_msg("%s is not https://hub.example", hostile[i]);
	assert_false(url_same_origin("nonsense", "nonsense"));
	assert_false(url_same_origin("http://[fe80::1%25a]/", "http://[fe80::1%25b]/"));
}

static void test_join(void **state)
{
	static const char *const rows[][2] = {
		{"https://other.example/x", "https://other.example/x"},
		{"http://other.example/x", "http://other.example/x"},
		{"//other.example/x", "https://other.example/x"},
		{"/x?y", "https://hub.example/x?y"},
		{"x", "https://hub.example/a/b/x"},
		{"../x", "https://hub.example/a/x"},
		{"../../../x", "https://hub.example/x"},
		{"?q=2", "https://hub.example/a/b/page?q=2"},
		{"/with space", "https://hub.example/with%20space"},
		{"https://other.example/a b", "https://other.example/a%20b"},
		{"/a:b", "https://hub.example/a:b"},
		{"/http://evil.example/", "https://hub.example/http://evil.example/"},
		{"/@evil.example", "https://hub.example/@evil.example"},
		{"/%2fx", "https://hub.example/%2fx"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char to[256] = "";

		if (!url_join(PAGE, rows[i][0], to, sizeof(to)))
			fail_msg("%s leads nowhere", rows[i][0]);
		assert_string_equal(to, rows[i][1]);
	}
}

static void test_a_redirect_leads_to_the_web_only(void **state)
{
	static const char *const refused[] = {
		"",
		"ftp://hub.example/",
		"file:///etc/passwd",
		"javascript:alert(1)",
		"data:text/plain,x",
		"unix:/run/x",
		"https://",
		"https://hub.example:99999/",
		"https://hub.example:x/",
		"https://a\rb/",
		"/x\r\nSet-Cookie: a",
	};
	char to[256];

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (url_join(PAGE, refused[i], to, sizeof(to)))
			fail_msg("%s leads to %s", refused[i], to);
	assert_false(url_join("nonsense", "/x", to, sizeof(to)));
}

static void test_an_address_fits_or_is_refused(void **state)
{
	char to[sizeof("https://hub.example/x")];

	assert_true(url_join(PAGE, "/x", to, sizeof(to)));
	assert_false(url_join(PAGE, "/xy", to, sizeof(to)));
}

static void test_origin_for_messages(void **state)
{
	static const char *const rows[][2] = {
		{"https://hub.example/a?token=secret", "https://hub.example"},
		{"http://user:secret@hub.example:8080/a", "http://hub.example:8080"},
		{"https://secret@[::1]:1/", "https://[::1]:1"},
		{"https://hub.example?secret", "https://hub.example"},
		{"no address", "the address"},
		{"", "the address"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char to[64];

		url_origin(rows[i][0], to, sizeof(to));
		assert_string_equal(to, rows[i][1]);
	}
}

static void test_split(void **state)
{
	static const struct {
		const char *url, *host, *server, *path;
		bool https, user, query;
	} rows[] = {
		{"http://127.0.0.1:5000", "127.0.0.1", "127.0.0.1:5000", "/"},
		{"https://a.example:443/b/", "a.example", "a.example", "/b/", true},
		{"http://a.example:443/", "a.example", "a.example:443", "/"},
		{"http://a.example:80?x", "a.example", "a.example", "/", false, false, true},
		{"https://a.example/b#c", "a.example", "a.example", "/b", true, false, true},
		{"http://u:p@a.example/", "a.example", "a.example", "/", false, true},
		{"http://[::1]:8080/x", "::1", "[::1]:8080", "/x"},
		{"http://0x7f000001/", "127.0.0.1", "127.0.0.1", "/"},
		{"http://127.0.0.1%2eevil.example/", "127.0.0.1.evil.example",
		 "127.0.0.1.evil.example", "/"},
	};
	static const char *const refused[] = {
		"",
		"a.example",
		"ftp://a.example/",
		"http://",
		"http://a b/",
		"http://a.example:x/",
		"http://[::1",
		"http://a.example:99999/",

		"http://a\r\nb/",
		"http://[fe80::1%25eth0]/",
	};
	struct url_parts parts;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!url_split(rows[i].url, &parts))
			fail_msg("%s is refused", rows[i].url);
		assert_string_equal(parts.host, rows[i].host);
		assert_string_equal(parts.server, rows[i].server);
		assert_string_equal(parts.path, rows[i].path);
		assert_int_equal(parts.https, rows[i].https);
		assert_int_equal(parts.has_user, rows[i].user);
		assert_int_equal(parts.has_query, rows[i].query);
	}
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (url_split(refused[i], &parts))
			fail_msg("%s was split", refused[i]);
}

static void test_split_at_its_limits(void **state)
{
	char url[URL_HOST_MAX + URL_PATH_MAX + 32];
	struct url_parts parts;

	for (int longer = 0; longer < 2; longer++) {
		snprintf(url, sizeof(url), "http://a/%0*d", URL_PATH_MAX - 2 + longer, 0);
		assert_int_equal(url_split(url, &parts), !longer);
		snprintf(url, sizeof(url), "http://a%0*d/", URL_HOST_MAX - 2 + longer, 0);
		assert_int_equal(url_split(url, &parts), !longer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_origin),
		cmocka_unit_test(test_a_secret_stays_with_its_server),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_a_redirect_leads_to_the_web_only),
		cmocka_unit_test(test_an_address_fits_or_is_refused),
		cmocka_unit_test(test_origin_for_messages),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_split_at_its_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
