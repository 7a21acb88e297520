/* SPDX-License-Identifier: MIT */
/* CSV (or TSV, by the name) with a header line as a source: columns by name. */
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/csv.h"
#include "worker/dataset/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE SIZE_MAX

struct csv_source {
	struct csv csv;
	size_t columns; /* of the header */
	size_t text, pair, label;
};

static bool field_is(const struct csv *c, size_t i, const char *name)
{
	size_t len;
	const char *s = csv_field(c, i, &len);

	return len == strlen(name) && memcmp(s, name, len) == 0;
}

static const char *delimiter_str(char delimiter, char buf[4])
{
	snprintf(buf, 4, "'%c'", delimiter);
	return delimiter == '\t' ? "a tab" : buf;
}

static void add_delimiter(const struct csv *c, struct err *reterr)
{
	size_t n = reterr ? strlen(reterr->msg) : 0;
	char shown[4];

	if (reterr)
		str_excerptf(reterr->msg + n, sizeof(reterr->msg) - n,
			     "; the delimiter is %s, and dataset.delimiter sets another",
			     delimiter_str(c->dialect.delimiter, shown));
}

static int no_column(const struct source *s, const struct csv *c, const char *key,
		     const char *column, struct err *reterr)
{
	OWN(freep) char **names = calloc(c->n, sizeof(*names));
	int r;

	if (!names)
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	for (size_t i = 0; i < c->n; i++) {
		size_t len;
		const char *p = csv_field(c, i, &len);

		names[i] = strndup(p, len);
	}
	r = source_no_column(s->path, key, column, (const char *const *)names, c->n, reterr);
	add_delimiter(c, reterr);
	for (size_t i = 0; i < c->n; i++)
		free(names[i]);
	return r;
}

static int find(const struct source *s, const struct csv *c, const char *key, const char *column,
		size_t *ret, struct err *reterr)
{
	*ret = NONE;
	for (size_t i = 0; i < c->n; i++) {
		if (!field_is(c, i, column))
			continue;
		if (*ret != NONE)
			return source_twice(s->path, key, column, reterr);
		*ret = i;
	}
	return *ret == NONE ? no_column(s, c, key, column, reterr) : 0;
}

static size_t count_wanted(const struct source *s, const struct csv *c)
{
	const char *const wanted[] = {s->columns.text, s->columns.label, s->columns.pair};
	size_t found = 0;

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		for (size_t j = 0; wanted[i] && j < c->n; j++)
			if (field_is(c, j, wanted[i])) {
				found++;
				break;
			}
	return found;
}

/* Rate a delimiter: by the wanted columns that it finds, then by all columns that it finds.
 * -ERR_LIMIT: with it the header is too large. */
static int rate(const struct source *s, char delimiter, size_t *ret, struct err *reterr)
{
	struct csv_dialect dialect = {delimiter, s->columns.no_quotes};
	OWN(csv_close) struct csv c = {0};
	int r = csv_open(&c, s->path, dialect, reterr);

	if (r >= 0)
		r = csv_next(&c, reterr);
	*ret = r > 0 ? count_wanted(s, &c) * (CSV_FIELDS_MAX + 1) + c.n : 0;
	return r == -ERR_INVALID ? 0 : r; /* with another delimiter the header may fit */
}

static int keep(struct err *reterr, const struct err *e, int r)
{
	if (reterr)
		*reterr = *e;
	return r;
}

/* Choose the delimiter of the file's name, unless the header shows another one. A header that is
 * too large with one of them is an error only if none finds a wanted column. */
static int find_delimiter(struct source *s, char *ret, struct err *reterr)
{
	bool tabs = source_is_named(s->path, ".tsv");
	char candidates[] = {tabs ? '\t' : ',', tabs ? ',' : '\t', ';', '|'};
	struct err limit = {0}, e;
	size_t best = 0;

	*ret = candidates[0];
	for (size_t i = 0; i < ARRAY_LEN(candidates) && !s->columns.delimiter; i++) {
		size_t rating = 0;
		int r = rate(s, candidates[i], &rating, &e);

		if (r == -ERR_LIMIT && !limit.code)
			limit = e;
		if (r < 0 && r != -ERR_LIMIT)
			return keep(reterr, &e, r);
		if (rating > best) {
			best = rating;
			*ret = candidates[i];
		}
	}
	if (limit.code && best <= CSV_FIELDS_MAX)
		return keep(reterr, &limit, -ERR_LIMIT);
	if (s->columns.delimiter)
		*ret = s->columns.delimiter;
	else if (*ret != candidates[0])
		s->delimiter = *ret;
	return 0;
}

static int read_header(struct source *s, struct csv_source *state, struct err *reterr)
{
	char field[ERR_FIELD_MAX];
	int r = csv_next(&state->csv, reterr);

	str_excerptf(field, sizeof(field), "%s/path", s->field);
	if (r == 0)
		return err_at(reterr, ERR_INVALID, field,
			      "%s is empty; it needs a header line and rows", s->path);
	if (r > 0)
		r = find(s, &state->csv, "text_column", s->columns.text, &state->text, reterr);
	state->pair = NONE;
	if (r >= 0 && s->columns.pair)
		r = find(s, &state->csv, "text_pair_column", s->columns.pair, &state->pair, reterr);
	if (r >= 0)
		r = find(s, &state->csv, "label_column", s->columns.label, &state->label, reterr);
	state->columns = state->csv.n;
	return r;
}

static int csv_source_open(struct source *s, struct err *reterr)
{
	struct csv_source *state = calloc(1, sizeof(*state));
	struct csv_dialect dialect = {.no_quotes = s->columns.no_quotes};
	int r;

	if (!state)
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	s->state = state;
	r = find_delimiter(s, &dialect.delimiter, reterr);
	if (r >= 0)
		r = csv_open(&state->csv, s->path, dialect, reterr);
	return r < 0 ? r : read_header(s, state, reterr);
}

static int csv_source_next(struct source *s, struct source_row *row, struct err *reterr)
{
	struct csv_source *state = s->state;
	struct csv *c = &state->csv;
	const char *label;
	char shown[4];
	size_t len;
	int r = csv_next(c, reterr);

	if (r == 0 && c->dialect.delimiter != ',') { /* commas and line ends are usual in texts */
		s->doubtful = c->doubtful;
		s->doubtful_line = c->doubtful_line;
	}
	if (r <= 0)
		return r;
	if (c->n != state->columns)
		return err_set(
			reterr, ERR_INVALID,
			"%s, row %lld (line %lld): the row has %zu columns, but the header has "
			"%zu; the delimiter is %s, and a text that contains it needs quotes",
			s->path, (long long)row->number, (long long)c->record_line, c->n,
			state->columns, delimiter_str(c->dialect.delimiter, shown));
	row->text = csv_field(c, state->text, &row->text_len);
	if (state->pair != NONE)
		row->pair = csv_field(c, state->pair, &row->pair_len);
	label = csv_field(c, state->label, &len);
	label_from_text(&row->label, label, len, true);
	return 1;
}

static double csv_source_fraction(const struct source *s)
{
	return input_fraction(&((const struct csv_source *)s->state)->csv.in);
}

static void csv_source_close(struct source *s)
{
	struct csv_source *state = s->state;

	csv_close(&state->csv);
	free(state);
}

const struct source_kind source_csv = {.name = "CSV",
				       .open = csv_source_open,
				       .next = csv_source_next,
				       .fraction = csv_source_fraction,
				       .close = csv_source_close};
