/* SPDX-License-Identifier: MIT */
/* Makes JSON of texts, times, amounts and reasons, and the first members of an event. */
#include "storage/shape.h"

#include "base/clock.h"
#include "base/money.h"
#include "base/own.h"
#include "base/str.h"

#include <string.h>

/* Length in bytes of the valid UTF-8 character at `s`; 0 if the bytes are not valid. */
static size_t char_len(const char *s)
{
	for (size_t n = 1; n <= 4 && s[n - 1]; n++)
		if (str_utf8_valid(s, n))
			return n;
	return 0;
}

json_t *shape_text(const char *s)
{
	json_t *text = json_string(s);
	OWN(freep) char *copy = NULL;

	if (text)
		return text;
	copy = strdup(s);
	if (!copy)
		return NULL;
	for (char *at = copy; *at;) {
		size_t n = char_len(at);

		if (!n)
			*at = '?';
		at += n ? n : 1;
	}
	return json_string(copy);
}

json_t *shape_time(int64_t at_us)
{
	char text[CLOCK_TEXT_LEN];

	return at_us ? json_string(clock_format(text, at_us)) : json_null();
}

json_t *shape_usd(int64_t micro_usd)
{
	char text[MONEY_TEXT_LEN];

	return json_string(money_format(text, micro_usd));
}

json_t *shape_reason(const struct reason *reason)
{
	if (!reason || (reason->code == REASON_NONE && !reason->message[0]))
		return json_null();
	return json_pack("{s:s, s:o}", "code", reason_code_str(reason->code), "message",
			 shape_text(reason->message));
}

static void set_id(json_t *event, const char *key, const char *id)
{
	if (id && id[0])
		json_object_set_new(event, key, json_string(id));
}

void shape_event_head(json_t *event, int64_t seq, int64_t at_us, const char *kind, const char *run,
		      const char *job, const char *endpoint)
{
	json_object_set_new(event, "seq", json_integer(seq));
	json_object_set_new(event, "at", shape_time(at_us));
	json_object_set_new(event, "kind", json_string(kind));
	set_id(event, "run", run);
	set_id(event, "job", job);
	set_id(event, "endpoint", endpoint);
}
