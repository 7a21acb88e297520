/* SPDX-License-Identifier: MIT */
/*
 * The tables of private ranges of IPv4 and IPv6. Addresses that contain an IPv4 address (mapped,
 * NAT64, 6to4) are checked by it.
 */
#include "net/address.h"

#include "base/own.h"

#include <curl/curl.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct range {
	uint32_t network;
	int bits;
};

static bool v4_is_private(uint32_t at)
{
	static const struct range ranges[] = {
		{0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},
		{0xa9fe0000, 16}, {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24},
		{0xc0a80000, 16}, {0xc6120000, 15}, {0xc6336400, 24}, {0xcb007100, 24},
		{0xe0000000, 3},
	};

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if ((at ^ ranges[i].network) >> (32 - ranges[i].bits) == 0)
			return true;
	return false;
}

static uint32_t v4_at(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static bool v6_is_private(const uint8_t *b)
{
	static const uint8_t zeros[12];

	if (memcmp(b, zeros, 12) == 0) /* ::, ::1, and IPv4-compatible addresses */
		return true;
	if (memcmp(b, zeros, 10) == 0 && b[10] == 0xff && b[11] == 0xff)
		return v4_is_private(v4_at(b + 12));
	if (memcmp(b, "\x00\x64\xff\x9b", 4) == 0) /* NAT64 */
		return memcmp(b + 4, zeros, 8) != 0 || v4_is_private(v4_at(b + 12));
	if (b[0] == 0x20 && b[1] == 0x02) /* 6to4 */
		return v4_is_private(v4_at(b + 2));
	return (b[0] & 0xe0) != 0x20 /* global unicast is 2000::/3 */
	       || memcmp(b, "\x20\x01\x0d\xb8", 4) == 0 || memcmp(b, "\x20\x01\x00\x00", 4) == 0;
}

bool address_is_private(const struct sockaddr *at)
{
	if (at->sa_family == AF_INET)
		return v4_is_private(ntohl(((const struct sockaddr_in *)at)->sin_addr.s_addr));
	if (at->sa_family == AF_INET6)
		return v6_is_private(((const struct sockaddr_in6 *)at)->sin6_addr.s6_addr);
	return true;
}

bool address_equal(const struct sockaddr *a, const struct sockaddr *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)b;
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)a;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)b;

	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a->sa_family == AF_INET6 && a6->sin6_port == b6->sin6_port &&
	       memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0;
}

/* Resolve "http://user@host:3128", with or without the scheme. */
static size_t resolve(const char *proxy, struct sockaddr_storage *ret, size_t max)
{
	CURLU *url = curl_url();
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	char *host = NULL, *port = NULL, *scheme = NULL;
	size_t n = 0;

	if (url &&
	    curl_url_set(url, CURLUPART_URL, proxy,
			 CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
		/* libcurl's default ports of a proxy */
		const char *usual = strcmp(scheme, "https") == 0 ? "443" : "1080";

		if (curl_url_get(url, CURLUPART_PORT, &port, 0) != CURLUE_OK)
			port = NULL;
		if (host[0] == '[' && host[strlen(host) - 1] == ']') {
			host[strlen(host) - 1] = '\0';
			memmove(host, host + 1, strlen(host));
		}
		if (getaddrinfo(host, port ? port : usual, &hints, &list) != 0)
			list = NULL;
	}
	for (const struct addrinfo *a = list; a && n < max; a = a->ai_next)
		if (a->ai_addrlen <= sizeof(ret[n]))
			memcpy(&ret[n++], a->ai_addr, a->ai_addrlen);
	if (list)
		freeaddrinfo(list);
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(url);
	return n;
}

size_t address_of_proxies(struct sockaddr_storage *ret, size_t max)
{
	/* the variables that libcurl reads; not HTTP_PROXY, because CGI sets it */
	static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
					    "ALL_PROXY"};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *proxy = getenv(names[i]);

		if (proxy && *proxy)
			n += resolve(proxy, ret + n, max - n);
	}
	return n;
}
