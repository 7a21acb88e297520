/* SPDX-License-Identifier: MIT */
/* Turns CSV into the body that the container makes of it, and answers into CSV. */
#include "worker/serve/payload_csv.h"

#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/csv.h"

#include <string.h>

#define NAME	   "the body"
#define INPUTS	   "inputs"
#define NONE	   SIZE_MAX
#define ANSWER_MAX (64U << 20)

/* The last column of this name, as in a dict of Python; NONE: there is none. */
static size_t column(const struct csv *c, const char *name)
{
	size_t found = NONE;

	for (size_t i = 0; i < c->n; i++) {
		size_t len;
		const char *s = csv_field(c, i, &len);

		if (len == strlen(name) && memcmp(s, name, len) == 0)
			found = i;
	}
	return found;
}

static int read_header(struct csv *c, size_t *ret_inputs, struct err *reterr)
{
	int r = csv_next(c, reterr);

	if (r < 0)
		return r;
	*ret_inputs = r ? column(c, INPUTS) : NONE;
	if (*ret_inputs == NONE)
		return err_set(reterr, ERR_INVALID,
			       NAME ": the first line must be a header with the column '" INPUTS
				    "'");
	if (column(c, "text_pair") != NONE)
		return err_set(reterr, ERR_INVALID,
			       NAME ": CSV takes no pairs; send them as JSON, {\"inputs\": "
				    "[[\"text\", \"pair\"], …]}");
	return 0;
}

static int add_row(const struct csv *c, size_t inputs, json_t *texts, struct err *reterr)
{
	const char *s;
	size_t len;

	if (inputs >= c->n)
		return err_set(reterr, ERR_INVALID,
			       NAME ", line %lld: there is no field for the column '" INPUTS "'",
			       (long long)c->record_line);
	s = csv_field(c, inputs, &len);
	if (!str_utf8_valid(s, len))
		return err_set(reterr, ERR_INVALID, NAME ", line %lld: the text is not UTF-8",
			       (long long)c->record_line);
	if (json_array_append_new(texts, json_stringn(s, len)) < 0)
		return err_errno(reterr, ENOMEM, "read " NAME);
	return 0;
}

static int read_rows(struct csv *c, json_t *texts, struct err *reterr)
{
	size_t inputs;
	int r = read_header(c, &inputs, reterr);

	while (r >= 0 && (r = csv_next(c, reterr)) > 0)
		r = add_row(c, inputs, texts, reterr);
	if (r >= 0 && json_array_size(texts) == 0)
		return err_set(reterr, ERR_INVALID, NAME " has no row after the header");
	return r;
}

int payload_parse_csv(const char *text, size_t len, struct payload *ret, struct err *reterr)
{
	const struct csv_dialect dialect = {.delimiter = ',', .is_fixed = true};
	OWN(json_decrefp) json_t *texts = json_array();
	OWN(csv_close) struct csv c = {0};
	json_t *body;
	int r;

	*ret = (struct payload){0};
	if (!texts)
		return err_errno(reterr, ENOMEM, "read " NAME);
	r = csv_open_bytes(&c, NAME, text, len, dialect, reterr);
	if (r >= 0)
		r = read_rows(&c, texts, reterr);
	if (r < 0)
		return r;
	body = json_pack("{sO}", INPUTS, texts);
	return body ? payload_take(body, ret, reterr) : err_errno(reterr, ENOMEM, "read " NAME);
}

int payload_check_csv_answer(const struct payload *a, struct err *reterr)
{
	if (a->shape == PAYLOAD_ONE || a->lists)
		return err_set(reterr, ERR_INVALID,
			       "an answer as text/csv has one label for each text of a list; take "
			       "application/json for other forms of inputs, for top_k and for "
			       "return_all_scores");
	return 0;
}

/* Quote a field where Python's csv.writer does. */
static void put_field(struct buf *out, const char *s)
{
	if (*s && !strpbrk(s, ",\"\r\n")) {
		buf_puts(out, s);
		return;
	}
	buf_puts(out, *s ? "\"" : "");
	for (; *s; s++) {
		buf_puts(out, *s == '"' ? "\"" : "");
		buf_put(out, s, 1);
		if (!s[1])
			buf_puts(out, "\"");
	}
}

static void put_value(struct buf *out, const json_t *v)
{
	OWN(freep) char *number = json_is_string(v) ? NULL : json_text(v);

	put_field(out, json_is_string(v) ? json_string_value(v) : number ? number : "");
}

char *payload_csv_answer(const json_t *answers)
{
	OWN(buf_done) struct buf out = BUF_INIT(ANSWER_MAX);
	const json_t *one;
	size_t i;

	buf_puts(&out, "label,score\r\n");
	json_array_foreach((json_t *)answers, i, one) {
		put_value(&out, json_object_get(one, "label"));
		buf_puts(&out, ",");
		put_value(&out, json_object_get(one, "score"));
		buf_puts(&out, "\r\n");
	}
	return buf_ok(&out) ? buf_take(&out) : NULL;
}
