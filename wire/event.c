/* SPDX-License-Identifier: MIT */
/* Finds the next complete line in a block of bytes, and parses its type. */
#include "wire/event.h"

#include "base/own.h"
#include "base/str.h"
#include "wire/execution.h"

#include <string.h>

static const char *const type_names[] = {
	[EVENT_PROGRESS] = "progress",	   [EVENT_METRIC] = "metric",	[EVENT_WARNING] = "warning",
	[EVENT_CHECKPOINT] = "checkpoint", [EVENT_READY] = "ready",	[EVENT_RESULT] = "result",
	[EVENT_FAILURE] = "failure",	   [EVENT_UNKNOWN] = "unknown",
};

static enum event_type event_type_parse(const char *s)
{
	for (size_t i = 0; i < EVENT_UNKNOWN; i++)
		if (str_eq(type_names[i], s))
			return (enum event_type)i;
	return EVENT_UNKNOWN;
}

const char *event_type_str(enum event_type type)
{
	return type_names[type];
}

int event_next(const char *data, size_t len, enum event_type *ret_type, json_t **ret_event,
	       size_t *ret_skip, struct err *reterr)
{
	const char *nl = len ? memchr(data, '\n', len) : NULL;
	size_t n = nl ? (size_t)(nl - data) + 1 : len;
	json_t *event = NULL;
	int r;

	*ret_skip = n;
	if (n > EVENT_LINE_MAX)
		return err_set(reterr, ERR_CORRUPT, "an event line is longer than %d bytes",
			       EVENT_LINE_MAX);
	if (!nl)
		return 0;
	r = json_parse(data, n - 1, &event, reterr);
	if (r >= 0)
		r = wire_version_check(event, "an event line", reterr);
	if (r < 0) {
		json_decref(event);
		return err_set(reterr, ERR_CORRUPT,
			       "an event line is not a JSON object of a known version");
	}
	*ret_type = event_type_parse(json_get_str(event, "t", ""));
	*ret_event = event;
	return (int)n;
}
