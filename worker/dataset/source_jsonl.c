/* SPDX-License-Identifier: MIT */
/*
 * JSON Lines as a source: one object a line, blank lines skipped. A line that is not UTF-8 is
 * repaired before it is parsed.
 */
#include "base/json.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/input.h"
#include "worker/dataset/json_numbers.h"
#include "worker/dataset/source.h"

#include <stdlib.h>
#include <string.h>

enum key {
	KEY_TEXT,
	KEY_PAIR,
	KEY_LABEL,
	KEYS_
};

static const char *const key_fields[] = {"text_column", "text_pair_column", "label_column"};

struct jsonl_source {
	struct input in;
	struct buf line, repaired, tamed;
	int64_t line_number;
	json_t *object;		   /* of the current row; its strings are borrowed by the row */
	bool seen[KEYS_];	   /* a row has that key */
	struct err missing[KEYS_]; /* the first row that lacks the key, while no row has it */
};

static int jsonl_open(struct source *s, struct err *reterr)
{
	struct jsonl_source *state = calloc(1, sizeof(*state));

	if (!state)
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	s->state = state;
	buf_init(&state->line, SOURCE_TEXT_MAX);
	buf_init(&state->repaired, SOURCE_TEXT_MAX * 3);
	buf_init(&state->tamed, SOURCE_TEXT_MAX * 3);
	return input_open(&state->in, s->path, reterr);
}

static void jsonl_close(struct source *s)
{
	struct jsonl_source *state = s->state;

	input_close(&state->in);
	buf_done(&state->line);
	buf_done(&state->repaired);
	buf_done(&state->tamed);
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
			return err_set(reterr, ERR_LIMIT,
				       "%s, line %lld: the line is longer than %u MiB", in->path,
				       (long long)state->line_number, SOURCE_TEXT_MAX >> 20);
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

static const char *json_remedy(const json_error_t *e)
{
	enum json_error_code code = json_error_code(e);

	if (code == json_error_duplicate_key)
		return "give each key once";
	if (code == json_error_null_byte_in_key)
		return "rename the key";
	if (code == json_error_stack_overflow)
		return "nest its values less deeply";
	return "write one whole object per line (JSON Lines)";
}

static int parse_line(struct jsonl_source *state, struct source_row *row, struct err *reterr)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
	const struct buf *text = &state->line;
	json_error_t je;

	if (!str_utf8_valid(text->data, text->len)) {
		buf_clear(&state->repaired);
		row->invalid_utf8 = utf8_repair(text->data, text->len, &state->repaired);
		text = &state->repaired;
	}
	json_decref(state->object);
	state->object = json_loadb(buf_str(text), text->len, flags, &je);
	if (!state->object) {
		buf_clear(&state->tamed);
		if (json_numbers_tame(text->data, text->len, &state->tamed) &&
		    buf_ok(&state->tamed))
			state->object =
				json_loadb(buf_str(&state->tamed), state->tamed.len, flags, &je);
	}
	if (!state->object)
		return err_set(reterr, ERR_INVALID,
			       "%s, row %lld (line %lld): the line is not valid JSON: %s; %s",
			       state->in.path, (long long)row->number,
			       (long long)state->line_number, je.text, json_remedy(&je));
	if (!json_is_object(state->object))
		return err_set(
			reterr, ERR_INVALID,
			"%s, row %lld (line %lld): the line is %s, but each line must be an object",
			state->in.path, (long long)row->number, (long long)state->line_number,
			json_type_name(state->object));
	return 0;
}

/* Keep the keys of the first row, for the message if no row has the wanted key. */
static int note_missing(struct source *s, const struct source_row *row, enum key key,
			const char *column)
{
	struct jsonl_source *state = s->state;
	size_t n = 0;
	OWN(freep) const char **names = calloc(json_object_size(state->object) + 1, sizeof(*names));
	const char *name;
	json_t *value;

	if (!names)
		return -ENOMEM;
	json_object_foreach(state->object, name, value)
		names[n++] = name;
	source_no_column(s->path, key_fields[key], column, names, n, &state->missing[key]);
	err_ctx(&state->missing[key], -ERR_INVALID, "row %lld", (long long)row->number);
	return 0;
}

/* The value of a column in the current row; NULL: null, or the row has no such key. */
static int find(struct source *s, const struct source_row *row, enum key key, const char *column,
		const json_t **ret, struct err *reterr)
{
	struct jsonl_source *state = s->state;
	const json_t *value = json_object_get(state->object, column);

	*ret = json_is_null(value) ? NULL : value;
	if (value)
		state->seen[key] = true;
	else if (!state->seen[key] && !state->missing[key].code &&
		 note_missing(s, row, key, column) < 0)
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	return 0;
}

static int take_text(struct source *s, const struct source_row *row, enum key key,
		     const char *column, const char **ret, size_t *ret_len, struct err *reterr)
{
	const json_t *value;
	char field[ERR_FIELD_MAX];
	int r = find(s, row, key, column, &value, reterr);

	if (r < 0 || !value)
		return r;
	str_excerptf(field, sizeof(field), "/dataset/%s", key_fields[key]);
	if (!json_is_string(value))
		return err_at(reterr, ERR_INVALID, field,
			      "%s, row %lld: '%s' is %s, but it must be a string", s->path,
			      (long long)row->number, column, json_type_name(value));
	*ret = json_string_value(value);
	*ret_len = json_string_length(value);
	return 0;
}

static int take_list(struct source *s, struct source_row *row, const json_t *value,
		     struct err *reterr)
{
	int r = label_list_read(&s->list, value);

	row->list = &s->list;
	if (r == -ENOMEM)
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	if (r == -ERR_LIMIT)
		return source_long_list(s, row, reterr);
	return r < 0 ? err_at(reterr, ERR_INVALID, "/dataset/label_column",
			      "%s, row %lld: '%s' has an element that is no text, number or "
			      "boolean",
			      s->path, (long long)row->number, s->columns.label)
		     : 0;
}

static int take_label(struct source *s, struct source_row *row, struct err *reterr)
{
	const char *column = s->columns.label;
	const json_t *value;
	int r = find(s, row, KEY_LABEL, column, &value, reterr);

	if (r < 0 || !value)
		return r;
	if (json_is_string(value))
		label_from_text(&row->label, json_string_value(value), json_string_length(value),
				false);
	else if (json_is_integer(value))
		label_from_int(&row->label, json_integer_value(value));
	else if (json_is_real(value))
		label_from_double(&row->label, json_numbers_real(value));
	else if (json_is_boolean(value))
		label_from_bool(&row->label, json_is_true(value));
	else if (json_is_array(value) && s->columns.label_lists)
		return take_list(s, row, value, reterr);
	else
		return err_at(reterr, ERR_INVALID, "/dataset/label_column",
			      "%s, row %lld: '%s' is %s, but a label is a string, a number or a "
			      "boolean%s",
			      s->path, (long long)row->number, column, json_type_name(value),
			      json_is_array(value) ? "; for several classes a row, set "
						     "dataset.problem_type to "
						     "multi_label_classification"
						   : "");
	return 0;
}

/* At the end, a column that no row has is an error, not a missing value. */
static int check_columns(const struct source *s, struct err *reterr)
{
	const struct jsonl_source *state = s->state;

	for (int key = 0; key < KEYS_; key++) {
		if (!state->missing[key].code || state->seen[key])
			continue;
		*reterr = state->missing[key];
		return -state->missing[key].code;
	}
	return 0;
}

static int jsonl_next(struct source *s, struct source_row *row, struct err *reterr)
{
	struct jsonl_source *state = s->state;
	int r;

	do {
		r = read_line(state, reterr);
		if (r <= 0)
			return r < 0 ? r : check_columns(s, reterr);
	} while (is_blank(&state->line));
	r = parse_line(state, row, reterr);
	if (r >= 0)
		r = take_text(s, row, KEY_TEXT, s->columns.text, &row->text, &row->text_len,
			      reterr);
	if (r >= 0 && s->columns.pair)
		r = take_text(s, row, KEY_PAIR, s->columns.pair, &row->pair, &row->pair_len,
			      reterr);
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
