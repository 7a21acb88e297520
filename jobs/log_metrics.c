/* SPDX-License-Identifier: MIT */
/*
 * Compiles the expressions with PCRE2, and searches lines with limits of steps and memory. A stop
 * flag is checked between two ranges of a line.
 */
#include "jobs/log_metrics.h"

#include "base/own.h"
#include "base/str.h"
#include "jobs/trainer_metrics.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define NUMBER_LEN 64
/* Places of a line at which a match may start, searched by one call: what stops it is looked at in
 * between. */
#define STARTS	   64

struct metric {
	char *name;
	pcre2_code *code; /* NULL: no longer used */
};

struct log_metrics {
	struct metric items[LOG_METRICS_MAX];
	size_t n;
	pcre2_match_context *limits;
};

void log_metrics_free(struct log_metrics *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		free(m->items[i].name);
		pcre2_code_free(m->items[i].code);
	}
	pcre2_match_context_free(m->limits);
	free(m);
}

void log_metrics_freep(struct log_metrics **m)
{
	log_metrics_free(*m);
}

static int compile(const char *regex, pcre2_code **ret, struct err *reterr)
{
	PCRE2_UCHAR text[128];
	uint32_t groups = 0;
	PCRE2_SIZE at;
	int code;

	*ret = pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED,
			     PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UTF | PCRE2_USE_OFFSET_LIMIT,
			     &code, &at, NULL);
	if (!*ret) {
		pcre2_get_error_message(code, text, sizeof(text));
		return err_set(reterr, ERR_INVALID,
			       "'%s' is not a valid expression at character %zu: %s", regex, at,
			       (const char *)text);
	}
	pcre2_pattern_info(*ret, PCRE2_INFO_CAPTURECOUNT, &groups);
	return groups >= 1 ? 0
			   : err_set(reterr, ERR_INVALID,
				     "'%s' has no group; put the part that is the value in "
				     "parentheses, as in 'loss=([0-9.]+)'",
				     regex);
}

int log_metrics_check(const char *regex, struct err *reterr)
{
	pcre2_code *code = NULL;
	int r = compile(regex, &code, reterr);

	pcre2_code_free(code);
	return r;
}

static int add(struct log_metrics *m, const char *name, const char *regex, struct err *reterr)
{
	struct metric *item = &m->items[m->n];
	char field[ERR_FIELD_MAX];
	struct err e;

	snprintf(field, sizeof(field), "/metric_definitions/%zu/regex", m->n);
	item->name = strdup(name);
	if (!item->name)
		return err_errno(reterr, ENOMEM, "read metric_definitions");
	m->n++;
	if (compile(regex, &item->code, &e) < 0)
		return err_at(reterr, ERR_INVALID, field, "the regex of metric '%s': %s", name,
			      e.msg);
	return 0;
}

/* Those of Trainer need a time that grows with the line alone, and may be machine code. A user's
 * may not: machine code does not count the steps of going back over single characters. */
static int add_trainer(struct log_metrics *m, struct err *reterr)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < trainer_metrics_n; i++) {
		r = add(m, trainer_metrics[i].name, trainer_metrics[i].regex_any, reterr);
		if (r >= 0) /* slower if it cannot be had, not wrong */
			pcre2_jit_compile(m->items[i].code, PCRE2_JIT_COMPLETE);
	}
	return r;
}

static int add_all(struct log_metrics *m, const json_t *definitions, struct err *reterr)
{
	size_t n = json_array_size(definitions);
	int r = 0;

	if (n > LOG_METRICS_MAX)
		return err_at(reterr, ERR_LIMIT, "/metric_definitions",
			      "the list has more than %d metric definitions; remove some",
			      LOG_METRICS_MAX);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		const json_t *d = json_array_get(definitions, i);
		const char *name = json_get_str(d, "name", NULL);
		const char *regex = json_get_str(d, "regex", NULL);

		if (!name || !regex)
			return err_at(
				reterr, ERR_INVALID, "/metric_definitions",
				"metric definition %zu lacks \"name\" or \"regex\"; give both", i);
		r = add(m, name, regex, reterr);
	}
	return n ? r : add_trainer(m, reterr);
}

int log_metrics_new(const json_t *definitions, struct log_metrics **ret, struct err *reterr)
{
	OWN(log_metrics_freep) struct log_metrics *m = calloc(1, sizeof(*m));
	int r;

	if (m)
		m->limits = pcre2_match_context_create(NULL);
	if (!m || !m->limits)
		return err_errno(reterr, ENOMEM, "read metric_definitions");
	pcre2_set_match_limit(m->limits, LOG_METRICS_MATCH_STEPS);
	pcre2_set_heap_limit(m->limits, LOG_METRICS_HEAP_KIB);
	r = add_all(m, definitions, reterr);
	if (r < 0)
		return r;
	*ret = TAKE(m);
	return 0;
}

/* One line that is searched. */
struct search {
	const char *line;
	size_t len;
	const _Atomic bool *stop;
	pcre2_match_data *match;
};

/* The number in the first group; false when there is none. */
static bool group_number(const struct search *s, double *ret)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(s->match);
	char text[NUMBER_LEN];
	size_t n;

	if (at[2] == PCRE2_UNSET)
		return false;
	n = at[3] - at[2];
	if (n == 0 || n >= sizeof(text))
		return false;
	memcpy(text, s->line + at[2], n);
	text[n] = '\0';
	return str_to_any_double(text, ret) == 0;
}

static bool is_stopped(const struct search *s)
{
	return s->stop && *s->stop;
}

/* As pcre2_match() of the whole line: the limit of steps holds for each start anew, and a line has
 * LOG_METRICS_LINE_MAX of them. */
static int search(const struct log_metrics *m, const struct search *s, const pcre2_code *code)
{
	int64_t until_us = clock_thread_us() + LOG_METRICS_LINE_US;
	int r = PCRE2_ERROR_NOMATCH;

	for (size_t at = 0; r == PCRE2_ERROR_NOMATCH && at <= s->len; at += STARTS) {
		if (is_stopped(s))
			break;
		if (at && clock_thread_us() > until_us)
			return PCRE2_ERROR_MATCHLIMIT;
		pcre2_set_offset_limit(m->limits, at + STARTS - 1);
		r = pcre2_match(code, (PCRE2_SPTR)s->line, s->len, at, 0, s->match, m->limits);
	}
	return r;
}

static bool is_too_long(int r)
{
	return r == PCRE2_ERROR_MATCHLIMIT || r == PCRE2_ERROR_HEAPLIMIT ||
	       r == PCRE2_ERROR_JIT_STACKLIMIT;
}

static json_t *read_line(struct log_metrics *m, const struct search *s, struct slow_metrics *slow)
{
	json_t *values = NULL;

	for (size_t i = 0; i < m->n && !is_stopped(s); i++) {
		struct metric *item = &m->items[i];
		double v;
		int r;

		if (!item->code)
			continue;
		r = search(m, s, item->code);
		if (is_too_long(r)) {
			pcre2_code_free(TAKE(item->code));
			slow->names[slow->n++] = item->name;
		} else if (r >= 0 && group_number(s, &v)) {
			if (!values)
				values = json_object();
			json_object_set_new(values, item->name, json_any_number(v));
		}
	}
	return values;
}

json_t *log_metrics_read(struct log_metrics *m, const char *line, size_t len,
			 const _Atomic bool *stop, struct slow_metrics *slow)
{
	struct search s = {
		.line = line,
		.len = len < LOG_METRICS_LINE_MAX ? len : LOG_METRICS_LINE_MAX,
		.stop = stop,
		.match = pcre2_match_data_create(2, NULL), /* what a search has needed goes */
	};
	json_t *values = NULL;

	if (s.match)
		values = read_line(m, &s, slow);
	pcre2_match_data_free(s.match);
	return values;
}
