/* SPDX-License-Identifier: MIT */
/* Chooses the events that are notified, and builds their messages: the JSON of
 * docs/notifications.md. */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "daemon/settings.h"
#include "storage/store_read.h"

#include <stdbool.h>

#define MESSAGE_TEXT_MAX 4000 /* bytes of "text", which Slack and ntfy show */
#define MESSAGE_LOG_MAX	 8000 /* bytes of "log" */

/* A message: {"id","event","at","host","title","text","urgent"} and the parts of its kind. `id` is
 * the same if it is sent again. New reference; NULL if memory is out. `text` is cut. */
json_t *message_make(enum notify_kind kind, const char *id, int64_t at_us, bool urgent,
		     const char *title, const char *text);
/* The message of an event of the log. *ret is NULL if the event is not notified. Blocks on the
 * disk. Negative if the database could not be read; then try again. */
int message_of_event(const struct notify_settings *set, struct store_reader *sr,
		     const json_t *event, json_t **ret, struct err *reterr) MUSTCHECK;
