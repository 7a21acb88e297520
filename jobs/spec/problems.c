/* SPDX-License-Identifier: MIT */
/* The table of problem codes, and the functions that add a problem to the list. */
#include "jobs/spec/problems.h"

#include "base/str.h"
#include "jobs/spec/spec.h"

#include <stdio.h>

static const char *const codes[PROBLEM_CODES_] = {
	[PROBLEM_UNKNOWN_FIELD] = "unknown_field",
	[PROBLEM_WRONG_TYPE] = "wrong_type",
	[PROBLEM_OUT_OF_RANGE] = "out_of_range",
	[PROBLEM_MISSING] = "missing",
	[PROBLEM_UNKNOWN_REFERENCE] = "unknown_reference",
	[PROBLEM_CYCLE] = "cycle",
	[PROBLEM_DUPLICATE] = "duplicate",
	[PROBLEM_UNSUPPORTED] = "unsupported",
	[PROBLEM_TOO_MANY] = "too_many",
	[PROBLEM_INVALID] = "invalid",
	[PROBLEM_DATA_MISSING] = "data_missing",
	[PROBLEM_REMOVED] = "removed_outside",
	[PROBLEM_PRUNED] = "pruned",
	[PROBLEM_FORBIDDEN] = "forbidden",
	[PROBLEM_ENDPOINT_TAKEN] = "endpoint_taken",
	[PROBLEM_MONEY_CAP] = "money_cap",
	[PROBLEM_PRICE_UNKNOWN] = "price_unknown",
};

void problem_addv(json_t *problems, const char *pointer, enum problem_code code, const char *fmt,
		  va_list ap)
{
	char text[ERR_MSG_MAX * 2], detail[ERR_MSG_MAX];
	json_t *one;

	if (json_array_size(problems) >= SPEC_PROBLEMS_MAX)
		return;
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	str_excerpt(detail, sizeof(detail), text);
	one = json_pack("{s:s, s:s, s:s}", "pointer", pointer, "code", codes[code], "detail",
			detail);
	json_array_append_new(problems, one);
}

void problem_add(json_t *problems, const char *pointer, enum problem_code code, const char *fmt,
		 ...)
{
	va_list ap;

	va_start(ap, fmt);
	problem_addv(problems, pointer, code, fmt, ap);
	va_end(ap);
}

const char *problem_quote(char buf[PROBLEM_QUOTE_MAX], const char *text)
{
	str_excerpt(buf, PROBLEM_QUOTE_MAX, text);
	for (char *c = buf; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return buf;
}
