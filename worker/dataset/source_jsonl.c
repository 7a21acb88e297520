/* SPDX-License-Identifier: MIT */
/*
 * JSON Lines as a source: one object a line, blank lines skipped. A line that is not UTF-8 is
 * repaired before it is parsed.
 */
#include "base/json.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/input.h"
#include "worker/dataset/source.h"

#include <stdlib.h>
#include <string.h>

struct jsonl_source {
	struct input in;
	struct buf line, repaired;
	int64_t line_number;
	json_t *object; /* of the current row; its strings are borrowed by the row */
};

static int jsonl_open(struct source *s, struct err *reterr)
{
	struct jsonl_source *state = calloc(1, sizeof(*state));

	if (!state)
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	s->state = state;
	buf_init(&state->line, SOURCE_TEXT_MAX);
	buf_init(&state->repaired, SOURCE_TEXT_MAX * 3);
	return input_open(&state->in, s->path, reterr);
}

static void jsonl_close(struct source *s)
{
	struct jsonl_source *state = s->state;

	input_close(&state->in);
	buf_done(&state->line);
	buf_done(&state->repaired);
	json_decref(state->object);
	free(state);
}

/* The next line, without its end, into state->line. 1, or 0 at the end. */
static int read_line(struct jsonl_source *state, struct err *reterr)
{
	struct input *in = &state->in;
	bool any = false;

	buf_clear(&state->line);
	state->line_number++;
	for (;;) {
		const char *p, *nl;
		size_t n;

		if (in->at == in->n) {
			int r = input_fill(in, reterr);

			if (r <= 0)
				return r < 0 ? r : any;
		}
		any = true;
		p = in->block + in->at;
		nl = memchr(p, '\n', in->n - in->at);
		n = nl ? (size_t)(nl - p) : in->n - in->at;
		in->at += n + (nl != NULL);
		if (buf_put(&state->line, p, n) < 0)
			return err_set(reterr, ERR_LIMIT, "%s, line %lld: longer than %u MiB",
				       in->path, (long long)state->line_number,
				       SOURCE_TEXT_MAX >> 20);
		if (nl)
			return 1;
	}
}

static bool is_blank(const struct buf *line)
{
	for (size_t i = 0; i < line->len; i++)
		if (!strchr(" \t\r", line->data[i]) || !line->data[i])
			return false;
	return true;
}

static int parse_line(struct jsonl_source *state, struct source_row *row, struct err *reterr)
{
	const struct buf *text = &state->line;
	json_error_t je;

	if (!str_utf8_valid(text->data, text->len)) {
		buf_clear(&state->repaired);
		row->invalid_utf8 = utf8_repair(text->data, text->len, &state->repaired);
		text = &state->repaired;
	}
	json_decref(state->object);
	state->object =
		json_loadb(buf_str(text), text->len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &je);
	if (!state->object)
		return err_set(reterr, ERR_INVALID, "%s, row %lld (line %lld): not valid JSON: %s",
			       state->in.path, (long long)row->number,
			       (long long)state->line_number, je.text);
	if (!json_is_object(state->object))
		return err_set(reterr, ERR_INVALID,
			       "%s, row %lld (line %lld): %s, but each line must be an object",
			       state->in.path, (long long)row->number,
			       (long long)state->line_number, json_type_name(state->object));
	return 0;
}

static int no_key(const struct source *s, const struct source_row *row, const char *key,
		  const char *column, struct err *reterr)
{
	const struct jsonl_source *state = s->state;
	size_t n = 0;
	OWN(freep) const char **names = calloc(json_object_size(state->object) + 1, sizeof(*names));
	const char *name;
	json_t *value;
	int r;

	if (!names)
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	json_object_foreach(state->object, name, value)
		names[n++] = name;
	r = source_no_column(s, key, column, names, n, reterr);
	return err_ctx(reterr, r, "row %lld", (long long)row->number);
}

static int take_text(const struct source *s, const struct source_row *row, const char *key,
		     const char *column, const char **ret, size_t *ret_len, struct err *reterr)
{
	const struct jsonl_source *state = s->state;
	const json_t *value = json_object_get(state->object, column);
	char field[ERR_FIELD_MAX];

	if (!value)
		return no_key(s, row, key, column, reterr);
	snprintf(field, sizeof(field), "/dataset/%s", key);
	if (!json_is_string(value))
		return err_at(reterr, ERR_INVALID, field,
			      "%s, row %lld: '%s' is %s, but it must be a string", s->path,
			      (long long)row->number, column, json_type_name(value));
	*ret = json_string_value(value);
	*ret_len = json_string_length(value);
	return 0;
}

static int take_label(const struct source *s, struct source_row *row, struct err *reterr)
{
	const struct jsonl_source *state = s->state;
	const char *column = s->columns.label;
	const json_t *value = json_object_get(state->object, column);

	if (json_is_integer(value)) {
		row->label_int = json_integer_value(value);
		return 0;
	}
	if (json_is_boolean(value)) {
		row->label_int = json_is_true(value);
		return 0;
	}
	if (!value || json_is_string(value))
		return take_text(s, row, "label_column", column, &row->label, &row->label_len,
				 reterr);
	return err_at(reterr, ERR_INVALID, "/dataset/label_column",
		      "%s, row %lld: '%s' is %s, but a label is a string or an integer", s->path,
		      (long long)row->number, column, json_type_name(value));
}

static int jsonl_next(struct source *s, struct source_row *row, struct err *reterr)
{
	struct jsonl_source *state = s->state;
	int r;

	do {
		r = read_line(state, reterr);
		if (r <= 0)
			return r;
	} while (is_blank(&state->line));
	r = parse_line(state, row, reterr);
	if (r >= 0)
		r = take_text(s, row, "text_column", s->columns.text, &row->text, &row->text_len,
			      reterr);
	if (r >= 0 && s->columns.pair)
		r = take_text(s, row, "text_pair_column", s->columns.pair, &row->pair,
			      &row->pair_len, reterr);
	if (r >= 0)
		r = take_label(s, row, reterr);
	return r < 0 ? r : 1;
}

static double jsonl_fraction(const struct source *s)
{
	return input_fraction(&((const struct jsonl_source *)s->state)->in);
}

const struct source_kind source_jsonl = {.name = "JSONL",
					 .open = jsonl_open,
					 .next = jsonl_next,
					 .fraction = jsonl_fraction,
					 .close = jsonl_close};
