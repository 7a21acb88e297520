/* SPDX-License-Identifier: MIT */
/* Pieces of JSON that the writer's events and the readers' answers have in common. */
#pragma once

#include "base/json.h"
#include "jobs/reason.h"

#include <stdint.h>

/* A string; bytes that are not UTF-8 (a cut or foreign message) become '?'. New reference. */
json_t *shape_text(const char *s);
/* RFC 3339, or null for 0. New reference. */
json_t *shape_time(int64_t at_us);
/* Exact decimal text of an amount, see base/money.h. New reference. */
json_t *shape_usd(int64_t micro_usd);
/* {"code","message"}, or null for NULL and for REASON_NONE without a message. New reference. */
json_t *shape_reason(const struct reason *reason);
/* What is shown of a description that is kept with a cloud resource; the rest is the daemon's own.
 * New reference. */
json_t *shape_resource_answer(const json_t *answer);
/* Put "seq", "at", "kind" and, where not NULL or "", "run", "job", "endpoint" into `event`. */
void shape_event_head(json_t *event, int64_t seq, int64_t at_us, const char *kind, const char *run,
		      const char *job, const char *endpoint);
