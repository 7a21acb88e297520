/* SPDX-License-Identifier: MIT */
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

/* Bytes of the longest prefix of s[0..n) that does not end inside a UTF-8 character. */
static size_t whole_characters(const char *s, size_t n)
{
	size_t start = n;

	while (start > 0 && n - start < 4 && ((unsigned char)s[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0 || str_utf8_valid(s + start - 1, n - start + 1))
		return n;
	return start - 1;
}

void reason_set(struct reason *r, enum reason_code code, const char *fmt, ...)
{
	va_list ap;
	int n;

	r->code = code;
	va_start(ap, fmt);
	n = vsnprintf(r->message, sizeof(r->message), fmt, ap);
	va_end(ap);
	if (n < 0)
		r->message[0] = '\0';
	else if ((size_t)n >= sizeof(r->message))
		r->message[whole_characters(r->message, sizeof(r->message) - 1)] = '\0';
}
