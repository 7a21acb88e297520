/* SPDX-License-Identifier: MIT */
/* Fills in errors. Every message is valid UTF-8 afterwards, also if it was cut. */
#include "base/err.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void err_fill(struct err *e, int code, const char *field, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

static void err_fill(struct err *e, int code, const char *field, const char *fmt, va_list ap)
{
	e->code = code;
	str_excerpt(e->field, sizeof(e->field), field ? field : "");
	str_vexcerptf(e->msg, sizeof(e->msg), fmt, ap);
	str_utf8_mask(e->msg); /* a message quotes names and values and is put into JSON */
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (e) {
		va_start(ap, fmt);
		err_fill(e, code, NULL, fmt, ap);
		va_end(ap);
	}
	return -code;
}

int err_at(struct err *e, int code, const char *field, const char *fmt, ...)
{
	va_list ap;

	if (e) {
		va_start(ap, fmt);
		err_fill(e, code, field, fmt, ap);
		va_end(ap);
	}
	return -code;
}

int err_errno(struct err *e, int errnum, const char *fmt, ...)
{
	char what[ERR_MSG_MAX];
	va_list ap;

	if (e) {
		va_start(ap, fmt);
		err_fill(e, errnum, NULL, fmt, ap);
		va_end(ap);
		memcpy(what, e->msg, sizeof(what));
		str_excerptf(e->msg, sizeof(e->msg), "cannot %s: %s", what, strerror(errnum));
		str_utf8_mask(e->msg);
	}
	return -errnum;
}

int err_in(struct err *e, int r, const char *field)
{
	if (r < 0 && e && !e->field[0])
		str_excerptf(e->field, sizeof(e->field), "%s", field);
	return r;
}

int err_ctx(struct err *e, int r, const char *fmt, ...)
{
	char was[ERR_MSG_MAX];
	size_t used;
	va_list ap;

	if (!e)
		return r;
	memcpy(was, e->msg, sizeof(was));
	va_start(ap, fmt);
	str_vexcerptf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	used = strlen(e->msg);
	str_excerptf(e->msg + used, sizeof(e->msg) - used, ": %s", was);
	str_utf8_mask(e->msg);
	return r;
}
