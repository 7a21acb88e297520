/* SPDX-License-Identifier: MIT */
/* Addresses that an address of others may not lead to: this machine and the networks behind it. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* True if the address is not one of the public internet: loopback, link-local, private, carrier,
 * test and multicast ranges (IANA's special-purpose registries), also inside of IPv6 (mapped, 6to4,
 * NAT64). Other families than IPv4 and IPv6 are private. */
bool address_is_private(const struct sockaddr *at);
/* The addresses of the proxies that the environment configures (http_proxy, https_proxy,
 * all_proxy), at most `max`. Resolves names: blocks. Returns how many. */
size_t address_of_proxies(struct sockaddr_storage *ret, size_t max);
/* True if both have the same address and port. */
bool address_equal(const struct sockaddr *a, const struct sockaddr *b);
