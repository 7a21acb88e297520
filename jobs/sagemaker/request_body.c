/* SPDX-License-Identifier: MIT */
/* The functions that build a request. After the first failure each does nothing. */
#include "jobs/sagemaker/request_body.h"

#include "base/own.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void request_start(struct request *q, json_t *warnings, struct err *reterr)
{
	*q = (struct request){.body = json_object(), .warnings = warnings, .reterr = reterr};
	if (!q->body)
		request_fail(q, -ENOMEM);
}

int request_end(struct request *q, json_t **ret)
{
	if (q->r >= 0)
		*ret = TAKE(q->body);
	json_decref(q->body);
	q->body = NULL;
	return q->r;
}

void request_fail(struct request *q, int r)
{
	if (q->r < 0)
		return;
	q->r = r == -ENOMEM ? err_errno(q->reterr, ENOMEM, "make a request to SageMaker") : r;
}

void request_refuse(struct request *q, int code, const char *field, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	if (q->r < 0)
		return;
	va_start(ap, fmt);
	str_vexcerptf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_utf8_mask(text); /* a name in the text may be cut inside a character */
	q->r = err_at(q->reterr, code, field, "%s", text);
}

void request_warn(struct request *q, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	if (q->r < 0 || !q->warnings)
		return;
	va_start(ap, fmt);
	str_vexcerptf(text, sizeof(text), fmt, ap);
	va_end(ap);
	str_utf8_mask(text); /* a name in the text may be cut inside a character */
	if (json_array_append_new(q->warnings, json_string(text)) < 0)
		request_fail(q, -ENOMEM);
}

json_t *request_set(struct request *q, json_t *object, const char *key, json_t *value)
{
	if (q->r >= 0 && json_object_set(object, key, value) < 0)
		request_fail(q, -ENOMEM);
	json_decref(value); /* the object holds a reference */
	return q->r < 0 ? NULL : value;
}

json_t *request_add(struct request *q, json_t *array, json_t *value)
{
	if (q->r >= 0 && json_array_append(array, value) < 0)
		request_fail(q, -ENOMEM);
	json_decref(value);
	return q->r < 0 ? NULL : value;
}
