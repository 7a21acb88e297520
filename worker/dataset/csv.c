/* SPDX-License-Identifier: MIT */
/* A state machine that copies runs of bytes instead of single bytes. */
#include "worker/dataset/csv.h"

#include "base/own.h"

#include <string.h>

static int init(struct csv *c, const char *name, struct csv_dialect dialect, struct err *reterr)
{
	*c = (struct csv){.dialect = dialect, .bytes = BUF_INIT(CSV_RECORD_MAX), .line = 1};
	c->ends = calloc(CSV_FIELDS_MAX, sizeof(*c->ends));
	return c->ends ? 0 : err_errno(reterr, ENOMEM, "read %s", name);
}

int csv_open(struct csv *c, const char *path, struct csv_dialect dialect, struct err *reterr)
{
	int r = init(c, path, dialect, reterr);

	return r < 0 ? r : input_open(&c->in, path, reterr);
}

int csv_open_bytes(struct csv *c, const char *name, const char *bytes, size_t len,
		   struct csv_dialect dialect, struct err *reterr)
{
	int r = init(c, name, dialect, reterr);

	return r < 0 ? r : input_open_bytes(&c->in, name, bytes, len, reterr);
}

void csv_close(struct csv *c)
{
	input_close(&c->in);
	buf_done(&c->bytes);
	free(c->ends);
	*c = (struct csv){0};
}

const char *csv_field(const struct csv *c, size_t i, size_t *ret_len)
{
	size_t start = i ? c->ends[i - 1] : 0;

	*ret_len = c->ends[i] - start;
	return buf_str(&c->bytes) + start;
}

static int put(struct csv *c, const char *s, size_t len, struct err *reterr)
{
	if (buf_put(&c->bytes, s, len) == 0)
		return 0;
	return err_set(reterr, ERR_LIMIT,
		       "%s: the record that begins on line %lld is longer than %u MiB; look for a "
		       "missing closing quote",
		       c->in.path, (long long)c->record_line, CSV_RECORD_MAX >> 20);
}

static int end_field(struct csv *c, struct err *reterr)
{
	if (c->n == CSV_FIELDS_MAX)
		return err_set(reterr, ERR_LIMIT,
			       "%s, line %lld: the line has more than %d columns", c->in.path,
			       (long long)c->line, CSV_FIELDS_MAX);
	c->ends[c->n++] = c->bytes.len;
	c->state = CSV_FIELD_START;
	return 0;
}

static void count_lines(struct csv *c, const char *s, size_t len)
{
	const char *nl;

	while ((nl = memchr(s, '\n', len)) != NULL) {
		c->line++;
		len -= (size_t)(nl + 1 - s);
		s = nl + 1;
	}
}

static int in_quotes(struct csv *c, const char *p, size_t left, struct err *reterr)
{
	const char *quote = memchr(p, '"', left);
	size_t run = quote ? (size_t)(quote - p) : left;

	c->quoted_end |= memchr(p, '\n', run) != NULL;
	c->quoted_delimiter |= memchr(p, c->dialect.delimiter, run) != NULL;
	count_lines(c, p, run);
	c->in.at += run;
	if (quote) {
		c->in.at++;
		c->state = CSV_QUOTE_SEEN;
	}
	return put(c, p, run, reterr);
}

/* A delimiter or the end of a line, after a field. 1: the record is complete. */
static int at_separator(struct csv *c, char sep, struct err *reterr)
{
	int r = end_field(c, reterr);

	c->in.at++;
	if (r < 0 || sep == c->dialect.delimiter)
		return r;
	c->skip_lf = sep == '\r';
	c->line++;
	return 1;
}

static bool is_separator(const struct csv *c, char ch)
{
	return ch == c->dialect.delimiter || ch == '\n' || ch == '\r';
}

static int in_plain(struct csv *c, const char *p, size_t left, struct err *reterr)
{
	size_t run = 0;
	int r;

	while (run < left && !is_separator(c, p[run]))
		run++;
	r = put(c, p, run, reterr);
	c->in.at += run;
	if (r < 0 || run == left)
		return r;
	return at_separator(c, p[run], reterr);
}

static int after_quote(struct csv *c, char ch, struct err *reterr)
{
	if (ch == '"') {
		c->in.at++;
		c->state = CSV_QUOTED;
		return put(c, "\"", 1, reterr);
	}
	if (c->quoted_end && c->quoted_delimiter && !c->doubtful++)
		c->doubtful_line = c->quote_line;
	if (is_separator(c, ch))
		return at_separator(c, ch, reterr);
	return err_set(reterr, ERR_INVALID,
		       "%s, line %lld: text follows the closing quote of column %zu; write a quote "
		       "inside a quoted field twice%s",
		       c->in.path, (long long)c->line, c->n + 1,
		       c->dialect.is_fixed ? ""
					   : ", or set dataset.quoting to 'none' if quotes are "
					     "plain characters");
}

/* Consume some of the block, which is not empty. 1: a record is complete. */
static int consume(struct csv *c, struct err *reterr)
{
	const char *p = c->in.block + c->in.at;
	size_t left = c->in.n - c->in.at;

	if (c->skip_lf) {
		c->skip_lf = false;
		c->in.at += *p == '\n';
		return 0;
	}
	switch (c->state) {
	case CSV_FIELD_START:
		c->state = *p == '"' && !c->dialect.no_quotes ? CSV_QUOTED : CSV_PLAIN;
		if (c->state == CSV_PLAIN)
			return in_plain(c, p, left, reterr);
		c->quoted = true;
		c->quoted_end = c->quoted_delimiter = false;
		c->quote_line = c->line;
		c->in.at++;
		return 0;
	case CSV_PLAIN:
		return in_plain(c, p, left, reterr);
	case CSV_QUOTED:
		return in_quotes(c, p, left, reterr);
	case CSV_QUOTE_SEEN:
		return after_quote(c, *p, reterr);
	}
	return 0;
}

static int at_end(struct csv *c, struct err *reterr)
{
	if (c->state == CSV_QUOTED)
		return err_set(reterr, ERR_INVALID,
			       "%s: the quote that opens on line %lld is never closed%s",
			       c->in.path, (long long)c->quote_line,
			       c->dialect.is_fixed ? "; write a quote inside a quoted field twice"
						   : "; if quotes are plain characters in this "
						     "file, set dataset.quoting to 'none'");
	if (!c->n && c->state == CSV_FIELD_START)
		return 0;
	return end_field(c, reterr) < 0 ? -ERR_LIMIT : 1;
}

static void start_record(struct csv *c)
{
	buf_clear(&c->bytes);
	c->n = 0;
	c->state = CSV_FIELD_START;
	c->quoted = false;
	c->record_line = c->line;
}

int csv_next(struct csv *c, struct err *reterr)
{
	int r;

	start_record(c);
	for (;;) {
		if (c->in.at == c->in.n) {
			r = input_fill(&c->in, reterr);
			if (r <= 0)
				return r < 0 ? r : at_end(c, reterr);
		}
		r = consume(c, reterr);
		if (r < 0)
			return r;
		if (r > 0 && (c->n > 1 || c->bytes.len || c->quoted))
			return 1;
		if (r > 0) /* a blank line */
			start_record(c);
	}
}
