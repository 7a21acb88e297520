/* SPDX-License-Identifier: MIT */
/* Percent-encoding (RFC 3986, section 2), for addresses, queries and signatures. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

/* Append `text` with every byte as %XX but letters, digits, "-._~" and those in `keep`. Returns 0
 * or -ENOBUFS. */
int percent_encode(struct buf *out, const char *text, const char *keep);
/* `text` without its escapes into `size` bytes at `ret`, which may be `text` itself; a '%' without
 * two hexadecimal digits stays, and with `plus` a '+' becomes a space. False: it was cut. */
bool percent_decode(const char *text, bool plus, char *ret, size_t size);
