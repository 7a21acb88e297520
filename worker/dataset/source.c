/* SPDX-License-Identifier: MIT */
/* What all kinds of sources share: the opening, the repair of ill-formed text, errors about
 * columns. */
#include "worker/dataset/source.h"

#include "base/own.h"
#include "base/str.h"
#include "worker/tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int source_open(const struct source_kind *kind, const char *path, const struct split_group *files,
		const char *field, const struct source_columns *columns, struct source **ret,
		struct err *reterr)
{
	OWN(source_closep) struct source *s = calloc(1, sizeof(*s));
	int r;

	if (!s || !(s->path = strdup(path)))
		return err_errno(reterr, ENOMEM, "open %s", path);
	s->files = files;
	s->field = field;
	s->columns = *columns;
	s->kind = kind;
	buf_init(&s->text, SOURCE_TEXT_MAX * 3);
	buf_init(&s->pair, SOURCE_TEXT_MAX * 3);
	r = kind->open(s, reterr);
	if (r < 0)
		return r;
	*ret = TAKE(s);
	return 0;
}

static void source_close(struct source *s)
{
	if (!s)
		return;
	if (s->state)
		s->kind->close(s);
	for (size_t i = 0; i < s->label_names_n; i++)
		free(s->label_names[i]);
	free(s->label_names);
	buf_done(&s->text);
	buf_done(&s->pair);
	label_list_done(&s->list);
	free(s->path);
	free(s);
}

void source_closep(struct source **s)
{
	source_close(*s);
}

double source_fraction(const struct source *s)
{
	return s->kind->fraction ? s->kind->fraction(s) : 0;
}

bool utf8_repair(const char *s, size_t len, struct buf *out)
{
	bool bad_any = false;
	size_t at = 0, from = 0, bad;
	uint32_t cp;

	while (at < len) {
		size_t n = utf8_decode((const unsigned char *)s + at, len - at, &cp, &bad);

		if (bad) {
			buf_put(out, s + from, at - from);
			buf_puts(out, "\xEF\xBF\xBD");
			from = at + n;
			bad_any = true;
		}
		at += n;
	}
	buf_put(out, s + from, len - from);
	return bad_any;
}

static int repair(struct source *s, const char **text, size_t *len, struct buf *to, bool *bad,
		  struct err *reterr)
{
	if (!*text || str_utf8_valid(*text, *len))
		return 0;
	buf_clear(to);
	*bad |= utf8_repair(*text, *len, to);
	if (!buf_ok(to))
		return err_set(reterr, ERR_LIMIT,
			       "%s, row %lld: the text is longer than %u MiB; shorten it", s->path,
			       (long long)s->rows, SOURCE_TEXT_MAX >> 20);
	*text = buf_str(to);
	*len = to->len;
	return 0;
}

int source_next(struct source *s, struct source_row *row, struct err *reterr)
{
	int r;

	*row = (struct source_row){.number = s->rows + 1};
	r = s->kind->next(s, row, reterr);
	if (r <= 0)
		return r;
	s->rows++;
	r = repair(s, &row->text, &row->text_len, &s->text, &row->invalid_utf8, reterr);
	if (r >= 0)
		r = repair(s, &row->pair, &row->pair_len, &s->pair, &row->invalid_utf8, reterr);
	return r < 0 ? r : 1;
}

bool source_is_named(const char *path, const char *suffix)
{
	size_t len = strlen(path), n = strlen(suffix);

	if (len > 3 && strcasecmp(path + len - 3, ".gz") == 0)
		len -= 3;
	return len >= n && strncasecmp(path + len - n, suffix, n) == 0;
}

int source_no_column(const char *path, const char *key, const char *column,
		     const char *const *there, size_t n, struct err *reterr)
{
	struct buf names = BUF_INIT(ERR_MSG_MAX / 2);
	char field[ERR_FIELD_MAX];
	int r;

	for (size_t i = 0; i < n; i++)
		buf_printf(&names, "%s'%s'", i ? ", " : "", there[i]);
	str_excerptf(field, sizeof(field), "/dataset/%s", key);
	r = err_at(reterr, ERR_INVALID, field, "%s has no column '%s'; it has %s%s", path, column,
		   n ? buf_str(&names) : "none", buf_ok(&names) ? "" : ", ...");
	buf_done(&names);
	return r;
}

int source_twice(const char *path, const char *key, const char *column, struct err *reterr)
{
	char field[ERR_FIELD_MAX];

	str_excerptf(field, sizeof(field), "/dataset/%s", key);
	return err_at(reterr, ERR_INVALID, field, "%s has the column '%s' twice; rename one", path,
		      column);
}

int source_long_list(const struct source *s, const struct source_row *row, struct err *reterr)
{
	return err_at(reterr, ERR_LIMIT, "/dataset/label_column",
		      "%s, row %lld: '%s' has more than %d elements", s->path,
		      (long long)row->number, s->columns.label, LABEL_LIST_MAX);
}

int source_add_label_name(struct source *s, const char *name)
{
	char **grown = realloc(s->label_names, (s->label_names_n + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	s->label_names = grown;
	grown[s->label_names_n] = strdup(name);
	if (!grown[s->label_names_n])
		return -ENOMEM;
	s->label_names_n++;
	return 0;
}
