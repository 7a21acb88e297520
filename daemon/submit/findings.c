/* SPDX-License-Identifier: MIT */
/* What a submit finds: the place of a finding, and findings that refuse nothing. */
#include "base/str.h"
#include "daemon/submit/prepare.h"

#include <stdarg.h>
#include <stdio.h>

const char *prepare_pointer(const struct prepare *p, size_t i, const char *key, char *buf,
			    size_t size)
{
	if (p->is_job)
		snprintf(buf, size, "/%s", key);
	else
		snprintf(buf, size, "/jobs/%zu/%s", i, key);
	return buf;
}

void prepare_warn(const struct prepare *p, const char *pointer, const char *fmt, ...)
{
	char detail[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	str_utf8_mask(detail);
	json_array_append_new(p->run->warnings,
			      json_pack("{s:s, s:s}", "pointer", pointer, "detail", detail));
}
