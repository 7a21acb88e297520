/* SPDX-License-Identifier: MIT */
/* Fills in errors. Every message is valid UTF-8 afterwards, also if it was cut. */
#include "base/err.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text that fills its buffer may be cut inside a UTF-8 character: remove the partial
 * character. */
static void trim_cut(char msg[ERR_MSG_MAX])
{
	size_t n = strlen(msg), lead = n;

	if (n < ERR_MSG_MAX - 1)
		return;
	while (lead && n - lead < 4 && ((unsigned char)msg[lead - 1] & 0xc0) == 0x80)
		lead--;
	if (lead && !str_utf8_valid(msg + lead - 1, n - lead + 1))
		msg[lead - 1] = '\0';
}

/* A message quotes names and values and is put into JSON, so it must be valid UTF-8. */
static void make_valid(char msg[ERR_MSG_MAX])
{
	trim_cut(msg);
	str_utf8_mask(msg);
}

static void err_fill(struct err *e, int code, const char *field, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

static void err_fill(struct err *e, int code, const char *field, const char *fmt, va_list ap)
{
	e->code = code;
	snprintf(e->field, sizeof(e->field), "%s", field ? field : "");
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	make_valid(e->msg);
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
		snprintf(e->msg, sizeof(e->msg), "cannot %s: %s", what, strerror(errnum));
		make_valid(e->msg);
	}
	return -errnum;
}

int err_in(struct err *e, int r, const char *field)
{
	if (r < 0 && e && !e->field[0])
		snprintf(e->field, sizeof(e->field), "%s", field);
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
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	used = strlen(e->msg);
	snprintf(e->msg + used, sizeof(e->msg) - used, ": %s", was);
	make_valid(e->msg);
	return r;
}
