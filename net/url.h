/* SPDX-License-Identifier: MIT */
/*
 * Web addresses, parsed by the parser that also connects (libcurl's CURLU), so a comparison here
 * means the place where the bytes go. It decides which server gets a secret.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define URL_HOST_MAX 256
#define URL_PATH_MAX 1024

struct url_parts {
	bool https;
	bool has_user, has_query;      /* has_query: a query or a fragment */
	char host[URL_HOST_MAX];       /* without the brackets of an IPv6 address */
	char server[URL_HOST_MAX + 8]; /* "host:8443"; the port only if it is not the scheme's */
	char path[URL_PATH_MAX];       /* from the first '/'; at least "/" */
};

/* Split an http or https address. False if it is invalid or a part does not fit. */
bool url_split(const char *url, struct url_parts *ret);
/* True if both are http or https addresses with the same scheme, host and port. False if one of
 * them is no such address. */
bool url_same_origin(const char *a, const char *b);
/* Write "https://host:8443" of an address, for messages: no path, no query, no user. If the address
 * is invalid or does not fit, writes "the address". */
void url_origin(const char *url, char *ret, size_t size);
/* Write the absolute address of the redirect `location` on the page `base`, with its spaces
 * encoded. False if it is empty, neither http nor https, invalid, or does not fit. */
bool url_join(const char *base, const char *location, char *ret, size_t size);
