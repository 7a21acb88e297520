/* SPDX-License-Identifier: MIT */
/* The text format of Prometheus. api/prometheus.c and the rooms' writers call this. */
#include "base/exposition.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#define MILLION INT64_C(1000000)

static const int64_t bounds[][HISTOGRAM_BOUNDS] = {
	[HISTOGRAM_OF_CALLS] = {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000,
				250000, 500000, 1 * MILLION, 2500000, 5 * MILLION, 10 * MILLION},
	[HISTOGRAM_OF_JOBS] = {1 * MILLION, 5 * MILLION, 15 * MILLION, 30 * MILLION, 60 * MILLION,
			       120 * MILLION, 300 * MILLION, 600 * MILLION, 1800 * MILLION,
			       3600 * MILLION, 7200 * MILLION, 14400 * MILLION, 28800 * MILLION,
			       43200 * MILLION, 86400 * MILLION, 172800 * MILLION},
};

void histogram_add(struct histogram *h, int64_t us)
{
	const int64_t *bound = bounds[h->scale];
	size_t i = 0;

	if (us < 0)
		us = 0;
	while (i < HISTOGRAM_BOUNDS && us > bound[i])
		i++;
	atomic_fetch_add_explicit(&h->counts[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum_us, us, memory_order_relaxed);
}

void exposition_family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and newline are escaped. */
static void put_escaped(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			buf_puts(out, "\\n");
		else if (*s == '\\' || *s == '"')
			buf_printf(out, "\\%c", *s);
		else
			buf_put(out, s, 1);
	}
}

static void put_labels(struct buf *out, va_list labels)
{
	const char *name, *between = "";

	while ((name = va_arg(labels, const char *))) {
		buf_printf(out, "%s%s=\"", between, name);
		put_escaped(out, va_arg(labels, const char *));
		buf_puts(out, "\"");
		between = ",";
	}
}

static void put_micro(struct buf *out, int64_t n)
{
	buf_printf(out, "%s%" PRId64 ".%06" PRId64 "\n", n < 0 ? "-" : "", imaxabs(n) / MILLION,
		   imaxabs(n) % MILLION);
}

void exposition_int(struct buf *out, const char *name, int64_t value, ...)
{
	va_list labels;

	va_start(labels, value);
	buf_printf(out, "%s{", name);
	put_labels(out, labels);
	buf_printf(out, "} %" PRId64 "\n", value);
	va_end(labels);
}

void exposition_micro(struct buf *out, const char *name, int64_t millionths, ...)
{
	va_list labels;

	va_start(labels, millionths);
	buf_printf(out, "%s{", name);
	put_labels(out, labels);
	buf_puts(out, "} ");
	put_micro(out, millionths);
	va_end(labels);
}

static void put_bucket(struct buf *out, const char *name, const char *labels, int64_t bound_us,
		       uint64_t below)
{
	buf_printf(out, "%s_bucket{%s%sle=\"", name, labels, *labels ? "," : "");
	if (bound_us == INT64_MAX)
		buf_puts(out, "+Inf");
	else if (bound_us % MILLION)
		buf_printf(out, "%" PRId64 ".%06" PRId64, bound_us / MILLION, bound_us % MILLION);
	else
		buf_printf(out, "%" PRId64, bound_us / MILLION);
	buf_printf(out, "\"} %" PRIu64 "\n", below);
}

void exposition_histogram(struct buf *out, const char *name, const struct histogram *h, ...)
{
	struct buf labels = BUF_INIT(out->max);
	uint64_t below = 0;
	va_list list;

	va_start(list, h);
	put_labels(&labels, list);
	va_end(list);
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		below += atomic_load_explicit(&h->counts[i], memory_order_relaxed);
		put_bucket(out, name, buf_str(&labels),
			   i < HISTOGRAM_BOUNDS ? bounds[h->scale][i] : INT64_MAX, below);
	}
	buf_printf(out, "%s_sum{%s} ", name, buf_str(&labels));
	put_micro(out, atomic_load_explicit(&h->sum_us, memory_order_relaxed));
	buf_printf(out, "%s_count{%s} %" PRIu64 "\n", name, buf_str(&labels), below);
	out->failed |= labels.failed;
	buf_done(&labels);
}
