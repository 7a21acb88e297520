/* SPDX-License-Identifier: MIT */
/*
 * Parses one scalar value by one row of a table. Each type has a function that returns the
 * normalised value (a new reference) or NULL after a problem.
 */
#include "base/clock.h"
#include "base/own.h"
#include "base/pytext.h"
#include "base/str.h"
#include "jobs/s3_uri.h"
#include "jobs/sagemaker/resource.h"
#include "jobs/spec/parse.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define RANGE_TEXT_LEN 96

/* The range as text in the row's own unit: "between 1 and 10", "greater than 0 and at most 1". */
static const char *range_text(const struct spec_field *f, char buf[RANGE_TEXT_LEN])
{
	char low[32], high[32];

	switch (f->type) {
	case FIELD_DURATION:
		duration_format(low, (int64_t)f->min * USEC_PER_SEC);
		duration_format(high, (int64_t)f->max * USEC_PER_SEC);
		break;
	case FIELD_BYTES:
		str_bytes(low, sizeof(low), (int64_t)f->min);
		str_bytes(high, sizeof(high), (int64_t)f->max);
		break;
	case FIELD_STRING:
	case FIELD_NAME:
	case FIELD_PATH:
	case FIELD_INT:
	case FIELD_NUMBER:
	case FIELD_BOOL:
	case FIELD_ENUM:
	case FIELD_OBJECT:
	case FIELD_LIST:
	case FIELD_MAP:
	case FIELD_ANY:
	case FIELD_JOBS:
	case FIELD_LATER:
		snprintf(low, sizeof(low), "%.12g", f->min);
		snprintf(high, sizeof(high), "%.12g", f->max);
	}
	str_must_format(buf, RANGE_TEXT_LEN,
			f->flags & SPEC_ABOVE_MIN ? "greater than %s and at most %s"
						  : "between %s and %s",
			low, high);
	return buf;
}

static bool in_range(const struct spec_field *f, double v)
{
	return v <= f->max && (f->flags & SPEC_ABOVE_MIN ? v > f->min : v >= f->min);
}

/* The shortest text that reads back as v, and no ".0" at the end of a whole number. */
static const char *number_text(double v, char buf[PY_FLOAT_LEN])
{
	size_t n = strlen(py_float_repr(v, buf));

	if (n > 2 && str_eq(buf + n - 2, ".0"))
		buf[n - 2] = '\0';
	return buf;
}

static json_t *out_of_range(struct spec_parse *p, const struct spec_field *f, double v)
{
	char range[RANGE_TEXT_LEN], shown[PY_FLOAT_LEN];

	spec_problem(p, PROBLEM_OUT_OF_RANGE, "'%s' must be %s, not %s", f->name,
		     range_text(f, range), number_text(v, shown));
	return NULL;
}

json_t *spec_wrong_type(struct spec_parse *p, const struct spec_field *f, const json_t *v,
			const char *wanted)
{
	const char *text = json_string_value(v);
	char shown[PY_FLOAT_LEN];
	double number;

	if (text && (f->type == FIELD_INT || f->type == FIELD_NUMBER) &&
	    str_to_double(text, &number) == 0)
		spec_problem(p, PROBLEM_WRONG_TYPE,
			     "'%s' must be %s, not a string; write %s without quotes", f->name,
			     wanted, number_text(number, shown));
	else
		spec_problem(p, PROBLEM_WRONG_TYPE, "'%s' must be %s, not %s", f->name, wanted,
			     json_type_name(v));
	return NULL;
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

/* The text of a string of at most `max` bytes; NULL after a problem. */
static const char *text_of(struct spec_parse *p, const struct spec_field *f, const json_t *v,
			   size_t max)
{
	const char *s = json_string_value(v);
	size_t n = json_string_length(v);

	if (!s) {
		spec_wrong_type(p, f, v, "a string");
		return NULL;
	}
	if (n > max) {
		spec_problem(p, PROBLEM_OUT_OF_RANGE,
			     "'%s' is %zu bytes long; shorten it to at most %zu", f->name, n, max);
		return NULL;
	}
	return s;
}

json_t *spec_string(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *s = text_of(p, f, v, (size_t)f->max);

	if (!s)
		return NULL;
	if (strlen(s) < (size_t)f->min) {
		spec_problem(p, PROBLEM_OUT_OF_RANGE,
			     "'%s' is too short; use at least %g characters", f->name, f->min);
		return NULL;
	}
	return json_string(s);
}

json_t *spec_name(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	char quote[PROBLEM_QUOTE_MAX];
	bool refers = f->accepts && json_is_string(v) && str_starts(json_string_value(v), "${");
	const char *s = text_of(p, f, v, refers ? SPEC_PATH_MAX : SPEC_NAME_MAX);

	if (!s)
		return NULL;
	if (!refers && !spec_name_ok(s)) {
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not a name; use letters, digits, '_', '.' and '-', and begin "
			     "with a letter or digit",
			     problem_quote(quote, s));
		return NULL;
	}
	return json_string(s);
}

/* {"training_job": name}: the model of a training job of the account. */
static json_t *training_job(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const json_t *name = json_object_get(v, "training_job");
	const char *s = json_string_value(name);
	char quote[PROBLEM_QUOTE_MAX];

	if (!(f->remote & REMOTE_JOB) || !name)
		return spec_wrong_type(p, f, v,
				       f->remote & REMOTE_JOB
					       ? "text, {\"training_job\": name} or {\"hub\": name}"
					       : "a string");
	if (!s || json_object_size(v) != 1 || !*s || strlen(s) > RESOURCE_NAME_MAX ||
	    !isalnum((unsigned char)*s) || s[strlen(s) - 1] == '-' || strpbrk(s, "._") ||
	    !spec_name_ok(s)) {
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' must be {\"training_job\": name}, where name has at most %d "
			     "letters, digits and hyphens, not '%s'",
			     f->name, RESOURCE_NAME_MAX, problem_quote(quote, s ? s : ""));
		return NULL;
	}
	return json_pack("{s:s}", "training_job", s);
}

/* A text with a scheme. Only s3 is accepted, and only if the row allows it. */
static json_t *address(struct spec_parse *p, const struct spec_field *f, const char *s)
{
	char quote[PROBLEM_QUOTE_MAX];
	struct err err = {0};
	struct s3_uri uri;

	if (!s3_uri_is(s))
		spec_problem(p, PROBLEM_UNSUPPORTED,
			     "'%s' is a remote address that '%s' does not take; %s",
			     problem_quote(quote, s), f->name,
			     f->remote & REMOTE_HUB  ? "give a model of the hub as org/name, or "
						       "s3://bucket/prefix/"
			     : f->remote & REMOTE_S3 ? "give s3://bucket/key"
						     : "download the data and give a local path");
	else if (!(f->remote & REMOTE_S3))
		spec_problem(p, PROBLEM_UNSUPPORTED,
			     "'%s' is in S3, but '%s' is read on this machine; %s",
			     problem_quote(quote, s), f->name,
			     f->use == SPEC_PATH_DATASET
				     ? "give the address in 's3' instead"
				     : "download the data and give a local path");
	else if (s3_uri_parse(s, &uri, &err) < 0)
		spec_problem(p, PROBLEM_INVALID, "%s", err.msg);
	else
		return json_string(s);
	return NULL;
}

json_t *spec_path(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	char quote[PROBLEM_QUOTE_MAX];
	const char *s;

	if (json_is_object(v))
		return training_job(p, f, v);
	s = text_of(p, f, v, SPEC_PATH_MAX);
	if (!s)
		return NULL;
	if (!*s || has_control(s)) {
		spec_problem(p, PROBLEM_INVALID, "'%s' is not a path: it is %s", f->name,
			     *s ? "text with control characters" : "empty");
		return NULL;
	}
	if (!f->accepts && str_starts(s, "${")) {
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' cannot be a reference, because the daemon reads it when the job "
			     "is submitted; write the path",
			     f->name);
		return NULL;
	}
	if (strstr(s, "://"))
		return address(p, f, s);
	if (f->remote & REMOTE_ONLY && !str_starts(s, "${")) {
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not an S3 address, which '%s' needs; write s3://bucket/key",
			     problem_quote(quote, s), f->name);
		return NULL;
	}
	return json_string(s);
}

json_t *spec_int(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	double d = json_number_value(v);

	if (!json_is_number(v) || (json_is_real(v) && d != trunc(d)))
		return spec_wrong_type(p, f, v, "a whole number");
	if (!in_range(f, d))
		return out_of_range(p, f, d);
	return json_integer((json_int_t)d);
}

json_t *spec_number(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	double d = json_number_value(v);

	if (!json_is_number(v))
		return spec_wrong_type(p, f, v, "a number");
	if (!in_range(f, d))
		return out_of_range(p, f, d);
	return json_deep_copy(v);
}

json_t *spec_bool(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	return json_is_boolean(v) ? json_boolean(json_is_true(v))
				  : spec_wrong_type(p, f, v, "true or false");
}

json_t *spec_enum(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	const char *s = json_string_value(v), *near;
	char quote[PROBLEM_QUOTE_MAX], list[256] = "";
	size_t n = 0;

	if (!s)
		return spec_wrong_type(p, f, v, "a string");
	for (; f->words[n]; n++) {
		size_t len = strlen(list);

		if (str_eq(s, f->words[n]))
			return json_string(s);
		str_excerptf(list + len, sizeof(list) - len, "%s%s", n ? ", " : "", f->words[n]);
	}
	near = str_nearest(s, f->words, n);
	if (near)
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not a known value of '%s'; did you mean '%s'?",
			     problem_quote(quote, s), f->name, near);
	else
		spec_problem(p, PROBLEM_INVALID, "'%s' is not a known value of '%s'; use one of %s",
			     problem_quote(quote, s), f->name, list);
	return NULL;
}

json_t *spec_duration(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	char quote[PROBLEM_QUOTE_MAX], range[RANGE_TEXT_LEN];
	const char *s = json_string_value(v);
	int64_t us = 0;
	int r;

	if (!s)
		return spec_wrong_type(p, f, v,
				       "a duration as text, such as \"90s\", \"15m\" or \"1h\"");
	r = duration_parse(s, &us);
	if (r == -EINVAL) {
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not a duration; write one such as 90s, 15m, 1h or 7d",
			     problem_quote(quote, s));
		return NULL;
	}
	if (r < 0 || !in_range(f, (double)us / USEC_PER_SEC)) {
		spec_problem(p, PROBLEM_OUT_OF_RANGE, "'%s' must be %s, not %s", f->name,
			     range_text(f, range), problem_quote(quote, s));
		return NULL;
	}
	return json_string(s);
}

json_t *spec_bytes(struct spec_parse *p, const struct spec_field *f, const json_t *v)
{
	char quote[PROBLEM_QUOTE_MAX], range[RANGE_TEXT_LEN];
	const char *s = json_string_value(v);
	int64_t bytes = json_integer_value(v);

	if (!s && !json_is_integer(v))
		return spec_wrong_type(p, f, v, "a number of bytes or text such as \"8GiB\"");
	if (s && str_parse_bytes(s, &bytes) < 0) {
		spec_problem(p, PROBLEM_INVALID,
			     "'%s' is not an amount of memory; write one such as 8GiB or 512MiB",
			     problem_quote(quote, s));
		return NULL;
	}
	if (!in_range(f, (double)bytes)) {
		spec_problem(p, PROBLEM_OUT_OF_RANGE, "'%s' must be %s", f->name,
			     range_text(f, range));
		return NULL;
	}
	return json_integer(bytes);
}
