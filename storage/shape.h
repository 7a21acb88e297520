/* SPDX-License-Identifier: MIT */
/* JSON values that both the writer's events and the readers' answers contain. */
#pragma once

#include "base/json.h"
#include "jobs/reason.h"

#include <stdint.h>

/* A JSON string. Bytes that are not valid UTF-8 (a cut or foreign message) become '?'. New
 * reference. */
json_t *shape_text(const char *s);
/* RFC 3339 text, or null if at_us is 0. New reference. */
json_t *shape_time(int64_t at_us);
/* The exact decimal text of an amount (base/money.h). New reference. */
json_t *shape_usd(int64_t micro_usd);
/* {"code","message"}; null if `reason` is NULL, or REASON_NONE without a message. New reference. */
json_t *shape_reason(const struct reason *reason);
/* The public part of a stored SageMaker description; the rest is private to the daemon. New
 * reference. */
json_t *shape_resource_answer(const json_t *answer);
/* Put "seq", "at" and "kind" into `event`, and "run", "job", "endpoint" if they are neither NULL
 * nor "". */
void shape_event_head(json_t *event, int64_t seq, int64_t at_us, const char *kind, const char *run,
		      const char *job, const char *endpoint);
