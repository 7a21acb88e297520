/* SPDX-License-Identifier: MIT */
/* Opens the file anew each turn, splits the new bytes into lines, and makes a point of each. */
#include "worker/script/metrics_file.h"

#include "base/beneath.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* The greatest whole number that a double keeps exactly. */
#define STEP_MAX (INT64_C(1) << 53)

void metrics_file_init(struct metrics_file *m, int work_at, struct report *report,
		       metrics_file_fn fn, void *userdata)
{
	*m = (struct metrics_file){
		.work_at = work_at, .report = report, .fn = fn, .userdata = userdata};
	buf_init(&m->line, METRICS_FILE_LINE_MAX);
}

void metrics_file_done(struct metrics_file *m)
{
	buf_done(&m->line);
}

/* The step of a line; -1 if it has none that is a whole number. */
static int64_t step_of(const json_t *point)
{
	double v = json_get_num(point, "step", -1);

	return v >= 0 && v <= (double)STEP_MAX && v == floor(v) ? (int64_t)v : -1;
}

/* The numbers of a line, without step. NULL if there are none. */
static json_t *numbers_of(const json_t *point)
{
	json_t *values = NULL, *value;
	const char *key;
	double v;

	json_object_foreach((json_t *)point, key, value) {
		if (!*key || str_eq(key, "step") || !json_any_number_get(value, &v))
			continue;
		if (!values)
			values = json_object();
		json_object_set_new(values, key, json_any_number(v));
	}
	return values;
}

static void warn_line(struct metrics_file *m, const char *problem)
{
	report_warning(m->report, "bad_metric_line",
		       METRICS_FILE_PATH ": a line %s and is left out; write one JSON object with "
					 "numbers a line",
		       problem);
}

static void read_line(struct metrics_file *m, const char *line, size_t len)
{
	OWN(json_decrefp) json_t *point = NULL;
	json_t *values;

	if (len && line[len - 1] == '\r')
		len--;
	if (!len)
		return;
	if (json_parse_names(line, len, &point, NULL) < 0 || !json_is_object(point)) {
		warn_line(m, "is not a JSON object");
		return;
	}
	values = numbers_of(point);
	if (values)
		m->fn(m->userdata, step_of(point), json_get_num(point, "epoch", NAN), values);
	else
		warn_line(m, "has no number");
}

static void end_line(struct metrics_file *m)
{
	if (!m->is_skipping)
		read_line(m, m->line.data, m->line.len);
	m->is_skipping = false;
	buf_clear(&m->line);
}

static void split(struct metrics_file *m, const char *p, size_t n)
{
	while (n) {
		const char *end = memchr(p, '\n', n);
		size_t len = end ? (size_t)(end - p) : n;

		if (!m->is_skipping && buf_put(&m->line, p, len) < 0) {
			m->is_skipping = true;
			warn_line(m, "is longer than 16384 bytes");
		}
		if (end)
			end_line(m);
		len += end ? 1 : 0;
		p += len;
		n -= len;
	}
}

static void give_up(struct metrics_file *m, const char *reason)
{
	m->is_given_up = true;
	report_warning(m->report, "metrics_file", METRICS_FILE_PATH " is no longer read: %s",
		       reason);
}

/* Start at the first byte if this is another file, or the file was cut. */
static void note_file(struct metrics_file *m, const struct stat *st)
{
	if (st->st_dev == m->dev && st->st_ino == m->ino && st->st_size >= m->offset)
		return;
	m->dev = st->st_dev;
	m->ino = st->st_ino;
	m->offset = 0;
	m->is_skipping = false;
	buf_clear(&m->line);
}

bool metrics_file_turn(struct metrics_file *m)
{
	OWN(freep) char *part = NULL;
	OWN(closep) int fd = -1;
	struct stat st;
	struct err e;
	ssize_t n;
	int r;

	if (m->is_given_up)
		return false;
	r = beneath_open(m->work_at, METRICS_FILE_PATH, BENEATH_NO_LINKS, INT64_MAX, &fd, &st, &e);
	if (r < 0) {
		if (r != -ENOENT)
			give_up(m, e.msg);
		return false;
	}
	note_file(m, &st);
	part = st.st_size > m->offset ? malloc(METRICS_FILE_TURN) : NULL;
	n = part ? pread(fd, part, METRICS_FILE_TURN, m->offset) : 0;
	if (n <= 0)
		return false;
	split(m, part, (size_t)n);
	m->offset += n;
	if (m->offset >= METRICS_FILE_MAX)
		give_up(m, "the first 256 MiB are the limit; write fewer points");
	return !m->is_given_up && m->offset < st.st_size;
}

void metrics_file_end(struct metrics_file *m)
{
	int64_t until_us = clock_mono_us() + METRICS_FILE_END_MAX_US;

	while (metrics_file_turn(m))
		if (clock_mono_us() > until_us) {
			give_up(m, "10 s after the script's end are the limit; write fewer points");
			return;
		}
	if (m->line.len && !m->is_given_up)
		end_line(m);
}
