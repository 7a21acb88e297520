/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into fetch_probe by tests/aws/test_url.py: names and a public address that need no
 * network. NAME.test is looked up in RESOLVER, "NAME=ADDRESS,ADDRESS;…"; a name that ends in a
 * digit n (rebind1) has the entries rebind1, rebind2, … for its first, second, … look-up.
 * A connection to PUBLIC_IP goes to this machine, the same port.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PUBLIC_IP     "93.184.216.34"
#define ADDRESSES_MAX 4

static int lookups; /* of names that change; a download asks for one at a time */

/* The entry of the name in RESOLVER, to its end; NULL. */
static const char *entry_of(const char *name)
{
	const char *at = getenv("RESOLVER");
	size_t len = strlen(name);

	while (at && !(strncmp(at, name, len) == 0 && at[len] == '=')) {
		at = strchr(at, ';');
		at += at != NULL;
	}
	return at ? at + len + 1 : NULL;
}

static const char *entry_now(const char *host)
{
	char name[64];
	size_t len = strcspn(host, ".");

	if (!strstr(host, ".test") || len >= sizeof(name))
		return NULL;
	memcpy(name, host, len);
	name[len] = '\0';
	if (len && name[len - 1] == '1')
		name[len - 1] = (char)('1' + lookups++);
	return entry_of(name);
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		struct addrinfo **ret)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		(int (*)(const char *, const char *, const struct addrinfo *,
			 struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
	const char *at = host ? entry_now(host) : NULL;
	struct addrinfo **tail = ret;
	char address[64];

	if (!at)
		return real(host, service, hints, ret);
	for (int i = 0; i < ADDRESSES_MAX && *at && *at != ';'; i++) {
		size_t len = strcspn(at, ",;");
		int r;

		snprintf(address, sizeof(address), "%.*s", (int)len, at);
		r = real(address, service, hints, tail);
		if (r)
			return r;
		tail = &(*tail)->ai_next; /* one socket type each, as hints of libcurl want */
		at += len;
		at += *at == ',';
	}
	return 0;
}

int connect(int fd, const struct sockaddr *to, socklen_t len)
{
	int (*real)(int, const struct sockaddr *, socklen_t) =
		(int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
	struct sockaddr_in here;

	if (to->sa_family != AF_INET || len < sizeof(here))
		return real(fd, to, len);
	memcpy(&here, to, sizeof(here));
	if (here.sin_addr.s_addr == inet_addr(PUBLIC_IP))
		here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return real(fd, (struct sockaddr *)&here, sizeof(here));
}
