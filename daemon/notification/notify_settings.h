/* SPDX-License-Identifier: MIT */
/* The section [notify] of the configuration. The start and trainyardd --check call this. */
#pragma once

#include "base/err.h"
#include "daemon/settings.h"

/* The kind's name in notify.on and in messages. */
const char *notify_kind_str(enum notify_kind kind);
/* Check the values and fill ret->command, url, format and kinds; the texts are borrowed. `on` ends
 * with NULL. Returns NULL, or the key that is invalid: -ERR_INVALID in reterr. */
const char *notify_settings_parse(const char *command, const char *url, const char *format,
				  char *const *on, struct notify_settings *ret, struct err *reterr);
