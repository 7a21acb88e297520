/* SPDX-License-Identifier: MIT */
/*
 * Checks who may send requests to a server on loopback. A web page of another site must not,
 * neither by DNS rebinding (Host) nor by a cross-site form (Origin). Pure; api/head.c calls this.
 */
#pragma once

#include <stdbool.h>

/* True if the Host header has the form "NAME", "NAME:PORT", "[V6]" or "[V6]:PORT". */
bool guard_host_valid(const char *host);
/* True if the Host header (with or without a port) is a loopback name or address, or
 * `listen_host`. */
bool guard_host_ok(const char *host, const char *listen_host);
/* True if the Origin header (NULL: absent) names the same site as the Host header. */
bool guard_origin_ok(const char *origin, const char *host);
/* True if a Content-Type is JSON ("application/json", "application/x+json", with parameters). */
bool guard_type_is_json(const char *type);
