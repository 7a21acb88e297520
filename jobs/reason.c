/* SPDX-License-Identifier: MIT */
/* The table of reason codes, with the retry rule of each. */
#include "jobs/reason.h"

#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
	const char *name;
	bool retried, may_name;
} reasons[REASONS_] = {
#define REASON_ROW(id, text, retried_, may_name_) \
	[REASON_##id] = {.name = (text), .retried = (retried_), .may_name = (may_name_)},
	REASONS(REASON_ROW)
#undef REASON_ROW
};

_Static_assert(REASONS_ <= 64, "job_resources.retry_on has one bit per reason");

const char *reason_code_str(enum reason_code code)
{
	return reasons[code].name;
}

int reason_code_parse(const char *s, enum reason_code *ret)
{
	for (int i = 0; i < REASONS_; i++) {
		if (!str_eq(s, reasons[i].name))
			continue;
		*ret = (enum reason_code)i;
		return 0;
	}
	return -EINVAL;
}

bool reason_retried_by_default(enum reason_code code)
{
	return reasons[code].retried;
}

bool reason_may_be_named(enum reason_code code)
{
	return reasons[code].may_name;
}

void reason_set(struct reason *r, enum reason_code code, const char *fmt, ...)
{
	char text[REASON_MSG_MAX + 1]; /* one byte more, so that a long message is detected */
	va_list ap;

	r->code = code;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	str_excerpt(r->message, sizeof(r->message), text);
}
