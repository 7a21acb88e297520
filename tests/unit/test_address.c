/* SPDX-License-Identifier: MIT */
/* net/address: which addresses a url of others may lead to. The ranges are IANA's special-purpose
 * registries of IPv4 and IPv6. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/own.h"
#include "net/address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static bool is_private(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return address_is_private((struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return address_is_private((struct sockaddr *)&v6);
}

static void test_ranges_at_their_ends(void **state)
{
	static const char *const private[] = {
		"0.0.0.0",     "0.255.255.255",	  "10.0.0.0",	     "10.255.255.255",
		"100.64.0.0",  "100.127.255.255", "127.0.0.1",	     "127.255.255.255",
		"169.254.0.0", "169.254.169.254", "172.16.0.0",	     "172.31.255.255",
		"192.0.0.0",   "192.0.2.1",	  "192.168.0.0",     "192.168.255.255",
		"198.18.0.0",  "198.19.255.255",  "198.51.100.1",    "203.0.113.1",
		"224.0.0.1",   "240.0.0.1",	  "255.255.255.255", "::",
		"::1",	       "::127.0.0.1",	  "::ffff:10.0.0.1", "fe80::1",
		"febf::1",     "fc00::1",	  "fdff::1",	     "fec0::1",
		"ff02::1",     "64:ff9b::a00:1",  "64:ff9b:1::1",    "2002:a00:1::1",
		"2001:db8::1", "2001::1",
	};
	static const char *const public[] = {
		"1.0.0.0",	    "9.255.255.255",   "11.0.0.0",	  "100.63.255.255",
		"100.128.0.0",	    "126.255.255.255", "128.0.0.0",	  "169.253.255.255",
		"169.255.0.0",	    "172.15.255.255",  "172.32.0.0",	  "192.167.255.255",
		"192.169.0.0",	    "198.17.255.255",  "198.20.0.0",	  "223.255.255.255",
		"::ffff:8.8.8.8",   "2000::1",	       "2606:4700::1111", "2a00:1450::1",
		"64:ff9b::808:808", "2002:808:808::1",
	};

	for (size_t i = 0; i < ARRAY_LEN(private); i++)
		if (!is_private(private[i]))
			fail_msg("%s is taken for a public address", private[i]);
	for (size_t i = 0; i < ARRAY_LEN(public); i++)
		if (is_private(public[i]))
			fail_msg("%s is taken for a private address", public[i]);
	assert_true(address_is_private(&(struct sockaddr){.sa_family = AF_UNIX}));
}

static void test_proxies_of_the_environment(void **state)
{
	struct sockaddr_storage found[8];
	struct sockaddr_in wanted = {.sin_family = AF_INET,
				     .sin_port = htons(3128),
				     .sin_addr = {htonl(INADDR_LOOPBACK)}};
	static const char *const forms[] = {"http://127.0.0.1:3128", "127.0.0.1:3128",
					    "http://user:secret@127.0.0.1:3128/"};

	static const struct {
		const char *proxy;
		uint16_t port; /* libcurl's, if none is given */
	} usual[] = {
		{"127.0.0.1", 1080},
		{"http://127.0.0.1", 1080},
		{"https://127.0.0.1", 443},
		{"HTTPS://me:secret@127.0.0.1/", 443},
		{"https://127.0.0.1:8443", 8443},
		{"socks5h://127.0.0.1", 1080},
	};

	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		setenv("http_proxy", forms[i], 1);
		assert_int_equal(address_of_proxies(found, 8), 1);
		assert_true(
			address_equal((struct sockaddr *)&found[0], (struct sockaddr *)&wanted));
	}
	for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
		setenv("http_proxy", usual[i].proxy, 1);
		wanted.sin_port = htons(usual[i].port);
		assert_int_equal(address_of_proxies(found, 8), 1);
		assert_true(
			address_equal((struct sockaddr *)&found[0], (struct sockaddr *)&wanted));
	}
	wanted.sin_port = htons(3129);
	assert_false(address_equal((struct sockaddr *)&found[0], (struct sockaddr *)&wanted));
	setenv("http_proxy", "", 1);
	assert_int_equal(address_of_proxies(found, 8), 0);
	unsetenv("http_proxy");
	assert_int_equal(address_of_proxies(found, 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges_at_their_ends),
		cmocka_unit_test(test_proxies_of_the_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
