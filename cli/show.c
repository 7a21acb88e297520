/* SPDX-License-Identifier: MIT */
/*
 * Printing for people. Widths count code points, which is right for ids, names and messages.
 */
#include "cli/show.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "cli/terminal.h"

#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define COLUMNS_MAX    12
#define TERMINAL_WIDTH 80 /* if the terminal does not report its width */
#define TERMINAL_MAX   10000
#define COLUMN_GAP     2
#define LAST_MIN       20 /* least columns for the last cell of a row */

const json_t *show_find(const json_t *object, const char *path)
{
	char key[SHOW_KEY_MAX];
	size_t n;

	for (; object; path += n + 1) {
		n = strcspn(path, ".");
		str_must_format(key, sizeof(key), "%.*s", (int)n, path);
		object = json_object_get(object, key);
		if (!path[n])
			break;
	}
	return object;
}

int show_width(FILE *to)
{
	struct winsize size;
	int64_t columns;

	if (!isatty(terminal_fd(to)))
		return 0;
	if (ioctl(terminal_fd(to), TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return getenv("COLUMNS") && str_to_i64(getenv("COLUMNS"), &columns) == 0 && columns > 0 &&
			       columns < TERMINAL_MAX
		       ? (int)columns
		       : TERMINAL_WIDTH;
}

static int width_of(const char *s)
{
	int width = 0;

	for (; *s; s++)
		width += ((unsigned char)*s & 0xc0) != 0x80;
	return width;
}

/* Replace line ends by spaces and other control characters by '?'. Keeps at most `max` code points
 * (0: all); an ellipsis marks a cut. */
static void clean(char *out, size_t size, const char *s, int max)
{
	size_t n = 0;
	int width = 0;
	bool cut = max > 0 && width_of(s) > max;

	for (; *s && n < size - 5; s++) {
		bool starts = ((unsigned char)*s & 0xc0) != 0x80;

		if (starts && cut && width == max - 1)
			break;
		width += starts;
		if (*s == '\n' || *s == '\t')
			out[n++] = ' ';
		else
			out[n++] = (unsigned char)*s < ' ' || *s == 0x7f ? '?' : *s;
	}
	if (cut)
		n += (size_t)snprintf(out + n, 4, "…");
	out[n] = '\0';
}

char *show_duration(char *buf, int64_t us)
{
	int64_t s = us / USEC_PER_SEC;

	if (us < 0)
		s = us = 0;
	if (s < 10)
		snprintf(buf, 24, "%.1fs", (double)us / (double)USEC_PER_SEC);
	else if (s < 60)
		snprintf(buf, 24, "%ds", (int)s);
	else if (s < 3600)
		snprintf(buf, 24, "%dm %02ds", (int)(s / 60), (int)(s % 60));
	else if (s < 48 * 3600)
		snprintf(buf, 24, "%dh %02dm", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(buf, 24, "%dd %02dh", (int)(s / 86400), (int)(s / 3600 % 24));
	return buf;
}

char *show_bar(char *buf, int width, double part)
{
	int full = (int)(part * width + 0.5);

	if (full < 0)
		full = 0;
	if (full > width)
		full = width;
	buf[0] = '[';
	memset(buf + 1, '#', (size_t)full);
	memset(buf + 1 + full, ' ', (size_t)(width - full));
	buf[width + 1] = ']';
	buf[width + 2] = '\0';
	return buf;
}

static void cell_time(char *out, const char *text)
{
	struct tm tm;
	int64_t at_us;
	time_t at;

	if (clock_parse(text, &at_us) < 0) {
		clean(out, SHOW_CELL_MAX, text, 0);
		return;
	}
	at = (time_t)(at_us / USEC_PER_SEC);
	localtime_r(&at, &tm);
	strftime(out, SHOW_CELL_MAX, "%Y-%m-%d %H:%M:%S", &tm);
}

static void cell_age(char *out, const char *text)
{
	int64_t at_us, passed_us;
	char buf[24];

	if (clock_parse(text, &at_us) < 0) {
		clean(out, SHOW_CELL_MAX, text, 0);
		return;
	}
	passed_us = clock_now_us() - at_us;
	if (passed_us < 0)
		str_excerptf(out, SHOW_CELL_MAX, "in %s", show_duration(buf, -passed_us));
	else
		str_excerptf(out, SHOW_CELL_MAX, "%s ago", show_duration(buf, passed_us));
}

static void cell_took(char *out, const json_t *object)
{
	int64_t from_us, to_us = clock_now_us();

	if (clock_parse(json_get_str(object, "started_at", ""), &from_us) < 0)
		return;
	if (json_get_str(object, "finished_at", NULL) &&
	    clock_parse(json_get_str(object, "finished_at", ""), &to_us) < 0)
		return;
	show_duration(out, to_us - from_us);
}

static void cell_progress(char *out, const json_t *progress)
{
	double total = json_get_num(progress, "total", 0), done = json_get_num(progress, "done", 0);

	if (total > 0)
		snprintf(out, SHOW_CELL_MAX, "%d%%", (int)(100 * done / total));
}

static void cell_reason(char *out, const json_t *reason, int max)
{
	const char *code = json_get_str(reason, "code", ""),
		   *message = json_get_str(reason, "message", "");
	char both[SHOW_CELL_MAX];

	if (!code[0] && !message[0])
		return;
	str_excerptf(both, sizeof(both), "%s%s%s", code, code[0] && message[0] ? ": " : "",
		     message);
	clean(out, SHOW_CELL_MAX, both, max);
}

static void cell_text(char *out, const json_t *value, int max)
{
	OWN(freep) char *text = NULL;

	if (json_is_string(value)) {
		clean(out, SHOW_CELL_MAX, json_string_value(value), max);
	} else if (json_is_real(value)) {
		snprintf(out, SHOW_CELL_MAX, "%.6g", json_real_value(value));
	} else {
		text = json_text(value);
		clean(out, SHOW_CELL_MAX, text ? text : "?", max);
	}
}

static void cell_bytes(char *out, const json_t *value)
{
	str_bytes(out, SHOW_CELL_MAX, (int64_t)json_number_value(value));
}

void show_cell(char out[SHOW_CELL_MAX], const json_t *object, const struct show_column *column)
{
	const json_t *value = show_find(object, column->key);

	snprintf(out, SHOW_CELL_MAX, "-");
	if (column->as == SHOW_TOOK) {
		cell_took(out, object);
		return;
	}
	if (!value || json_is_null(value))
		return;
	switch (column->as) {
	case SHOW_TEXT:
		cell_text(out, value, column->max);
		break;
	case SHOW_TIME:
		cell_time(out, json_string_value(value) ? json_string_value(value) : "");
		break;
	case SHOW_AGE:
		cell_age(out, json_string_value(value) ? json_string_value(value) : "");
		break;
	case SHOW_PROGRESS:
		cell_progress(out, value);
		break;
	case SHOW_REASON:
		cell_reason(out, value, column->max);
		break;
	case SHOW_BYTES:
		cell_bytes(out, value);
		break;
	case SHOW_TOOK:
		break;
	}
}

static void print_row(char cells[][SHOW_CELL_MAX], const int *widths, int n)
{
	for (int i = 0; i < n; i++)
		printf("%s%*s", cells[i],
		       i + 1 < n ? widths[i] - width_of(cells[i]) + COLUMN_GAP : 0, "");
	putchar('\n');
}

/* Fit the columns to the width of the terminal (0: not a terminal, nothing is cut). */
static int fit_columns(const struct show_column *columns, int terminal, const json_t *items,
		       struct show_column fitted[COLUMNS_MAX], int widths[COLUMNS_MAX])
{
	char cell[SHOW_CELL_MAX];
	int n, used = 0;

	for (n = 0; n < COLUMNS_MAX && columns[n].title; n++) {
		const json_t *item;
		size_t i;

		fitted[n] = columns[n];
		if (!terminal)
			fitted[n].max = 0;
		else if (!columns[n + 1].title)
			fitted[n].max = terminal - used > LAST_MIN ? terminal - used : LAST_MIN;
		widths[n] = width_of(columns[n].title);
		json_array_foreach(items, i, item) {
			show_cell(cell, item, &fitted[n]);
			if (width_of(cell) > widths[n])
				widths[n] = width_of(cell);
		}
		used += widths[n] + COLUMN_GAP;
	}
	return n;
}

void show_table(const json_t *items, const struct show_column *columns, const char *nothing)
{
	static char cells[COLUMNS_MAX][SHOW_CELL_MAX];
	struct show_column fitted[COLUMNS_MAX];
	int widths[COLUMNS_MAX], n;
	const json_t *item;
	size_t i;

	if (json_array_size(items) == 0) {
		puts(nothing);
		return;
	}
	n = fit_columns(columns, show_width(stdout), items, fitted, widths);
	for (int k = 0; k < n; k++)
		str_excerptf(cells[k], SHOW_CELL_MAX, "%s", columns[k].title);
	print_row(cells, widths, n);
	json_array_foreach(items, i, item) {
		for (int k = 0; k < n; k++)
			show_cell(cells[k], item, &fitted[k]);
		print_row(cells, widths, n);
	}
}

void show_fields(const json_t *object, const struct show_column *columns)
{
	char cell[SHOW_CELL_MAX];

	for (; columns->title; columns++) {
		show_cell(cell, object, columns);
		if (!str_eq(cell, "-") && !str_eq(cell, "{}") && !str_eq(cell, "false"))
			printf("%-11s %s\n", columns->title, cell);
	}
}

void show_warnings(FILE *to, const char *title, const char *name, const json_t *warnings)
{
	const json_t *warning;
	size_t i;

	json_array_foreach(warnings, i, warning) {
		int64_t count = json_get_int(warning, "count", 1);
		const char *pointer = json_get_str(warning, "pointer", "");
		char text[SHOW_CELL_MAX * 2];

		clean(text, sizeof(text), json_get_str(warning, "detail", ""), 0);
		fprintf(to, "%s%s%s %s%s%s", title, name ? name : "", name ? ":" : "", pointer,
			*pointer ? ": " : "", text);
		if (count > 1)
			fprintf(to, " (%lld times)", (long long)count);
		fputc('\n', to);
	}
}

void show_json(const json_t *value)
{
	OWN(freep) char *text = json_pretty(value);

	if (text)
		fputs(text, stdout);
}
