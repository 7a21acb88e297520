/* SPDX-License-Identifier: MIT */
/*
 * Who may speak to a server on loopback: a web page of another site must not, not even by DNS
 * rebinding (Host) or a cross-site form (Origin). Pure functions.
 */
#pragma once

#include <stdbool.h>

/* True if the Host header has the form "NAME", "NAME:PORT", "[V6]" or "[V6]:PORT". */
bool guard_host_valid(const char *host);
/* True if the Host header (with or without a port) is a loopback name or address, or
 * `listen_host`. */
bool guard_host_ok(const char *host, const char *listen_host);
/* True if an Origin header (NULL: none) is of the same site as the Host header. */
bool guard_origin_ok(const char *origin, const char *host);
/* True if a Content-Type is JSON ("application/json", "application/x+json", with parameters). */
bool guard_type_is_json(const char *type);
