/* SPDX-License-Identifier: MIT */
/*
 * Web addresses, taken apart by the parser that also connects to them (libcurl's CURLU): what is
 * compared here is where the bytes will go. Decides which server gets a secret.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* True if both are http or https with the same scheme, host and port. False if one of them is not
 * such an address. */
bool url_same_origin(const char *a, const char *b);
/* "https://host:8443" of an address, for messages: no path, no query, no user. "the address" if it
 * is none or does not fit. */
void url_origin(const char *url, char *ret, size_t size);
/* The absolute address that the redirect `location` means on the page `base`, its spaces encoded.
 * False: it is empty, neither http nor https, no address at all, or it does not fit. */
bool url_join(const char *base, const char *location, char *ret, size_t size);
