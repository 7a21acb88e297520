/* SPDX-License-Identifier: MIT */
/* Checks Host, Origin and Content-Type as text. Pure. */
#include "api/guard.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 256

/* True for "", or ":" and digits. RFC 3986 allows no digits. */
static bool port_valid(const char *s)
{
	size_t n;

	if (!*s)
		return true;
	n = strspn(s + 1, "0123456789");
	return *s == ':' && !s[1 + n] && n <= 5 && strtol(s + 1, NULL, 10) <= UINT16_MAX;
}

/* The name or address of "name:port" or "[v6]:port", without brackets and port. */
static bool host_name(const char *host, char *name, size_t size)
{
	const char *end;
	size_t n;

	if (*host == '[') {
		host++;
		end = strchr(host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
	} else {
		end = host + strcspn(host, ":");
	}
	n = (size_t)(end - host);
	if (!n || n >= size || !port_valid(end + (*end == ']')))
		return false;
	memcpy(name, host, n);
	name[n] = '\0';
	return true;
}

bool guard_host_valid(const char *host)
{
	char name[HOST_MAX];

	return host_name(host, name, sizeof(name));
}

bool guard_host_ok(const char *host, const char *listen_host)
{
	char name[HOST_MAX];
	struct in6_addr v6;
	struct in_addr v4;

	if (!host || !host_name(host, name, sizeof(name)))
		return false;
	if (strcasecmp(name, "localhost") == 0 || strcasecmp(name, listen_host) == 0)
		return true;
	if (inet_pton(AF_INET, name, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool guard_origin_ok(const char *origin, const char *host)
{
	if (!origin)
		return true;
	if (!host)
		return false;
	if (str_starts(origin, "http://"))
		return strcasecmp(origin + strlen("http://"), host) == 0;
	if (str_starts(origin, "https://"))
		return strcasecmp(origin + strlen("https://"), host) == 0;
	return false;
}

bool guard_type_is_json(const char *type)
{
	size_t n;

	if (!type)
		return false;
	n = strcspn(type, "; \t");
	if (n == strlen("application/json") && strncasecmp(type, "application/json", n) == 0)
		return true;
	return n > 17 && strncasecmp(type, "application/", 12) == 0 &&
	       strncasecmp(type + n - 5, "+json", 5) == 0;
}
