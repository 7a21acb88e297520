/* SPDX-License-Identifier: MIT */
/* Private addresses: an address from a user or a server must not lead to this machine or the
 * networks behind it. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* True if the address is not on the public internet: loopback, link-local, private, carrier, test
 * and multicast ranges (IANA's special-purpose registries). The check includes IPv4 inside IPv6
 * (mapped, 6to4, NAT64). Families other than IPv4 and IPv6 are private. */
bool address_is_private(const struct sockaddr *at);
/* Fill *ret with at most `max` addresses of the proxies that the environment configures
 * (http_proxy, https_proxy, all_proxy). Resolves names, so it blocks. Returns their number. */
size_t address_of_proxies(struct sockaddr_storage *ret, size_t max);
/* True if both have the same address and port. */
bool address_equal(const struct sockaddr *a, const struct sockaddr *b);
