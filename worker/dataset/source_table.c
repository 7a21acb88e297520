/* SPDX-License-Identifier: MIT */
/* Parquet files and saved Hugging Face data sets as sources: columns of Arrow batches. */
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/card.h"
#include "worker/dataset/columns.h"
#include "worker/dataset/saved.h"
#include "worker/dataset/source.h"
#include "worker/dataset/table.h"

#include <stdlib.h>
#include <string.h>

#define TYPE_SHOWN 120 /* bytes of a type's name */

struct table_source {
	struct table table;
	int64_t row; /* the next one of the batch */
	int64_t text, pair, label;
	size_t file;	     /* the table's file whose columns these are */
	bool names_of_files; /* the class names are those of the files themselves */
	const char *names[3];
};

/* What a message calls the source: of a folder of files, the one being read. */
static const char *shown_path(const struct source *s)
{
	const struct table *t = &((const struct table_source *)s->state)->table;

	return s->kind == &source_parquet_tree ? t->files[t->file] : s->path;
}

static bool is_text(enum column_type type)
{
	return type == COLUMN_STRING || type == COLUMN_BINARY || type == COLUMN_NULL;
}

/* True for lists whose elements are texts, numbers or booleans. */
static bool is_label_list(const struct ArrowSchema *schema)
{
	enum column_type item = column_item_type(schema);

	return item == COLUMN_STRING || item == COLUMN_INT || item == COLUMN_FLOAT ||
	       item == COLUMN_NULL;
}

static bool is_label(const struct source *s, const struct ArrowSchema *schema)
{
	enum column_type type = column_type(schema);

	if (is_label_list(schema))
		return s->columns.label_lists;
	return type != COLUMN_INT_LIST && type != COLUMN_FLOAT_LIST && type != COLUMN_OTHER;
}

static int wrong_type(const struct source *s, const char *field, const char *column, int64_t at,
		      bool label, struct err *reterr)
{
	const struct table_source *state = s->state;
	const struct ArrowSchema *schema = state->table.schema.children[at];
	const char *remedy = "write it as strings, or name another column";
	char type[TYPE_SHOWN];

	if (str_eq(schema->format, "+r"))
		remedy = "decode it, as with pyarrow.compute.run_end_decode";
	else if (label && is_label_list(schema))
		remedy = "for several classes a row, set dataset.problem_type to "
			 "multi_label_classification";

	return err_at(reterr, ERR_INVALID, field,
		      "%s: the column '%s' has the Arrow type %s, but it must hold %s; %s",
		      shown_path(s), column, table_type_name(&state->table, at, type, sizeof(type)),
		      label ? "strings, numbers or booleans" : "strings", remedy);
}

static int no_column(const struct source *s, const char *key, const char *column,
		     struct err *reterr)
{
	struct table *t = &((struct table_source *)s->state)->table;
	const struct ArrowSchema *schema = &t->schema;
	OWN(freep) const char **names = NULL;
	int r = table_select(t, NULL, 0, reterr); /* of all columns, the message has the names */

	if (r < 0)
		return r;
	names = calloc((size_t)schema->n_children + 1, sizeof(*names));
	if (!names)
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	for (int64_t i = 0; i < schema->n_children; i++)
		names[i] = schema->children[i]->name;
	return source_no_column(shown_path(s), key, column, names, (size_t)schema->n_children,
				reterr);
}

static int find(const struct source *s, const char *key, const char *column, bool label,
		int64_t *ret, struct err *reterr)
{
	const struct table_source *state = s->state;
	const struct ArrowSchema *schema = &state->table.schema;
	enum column_type type;
	char field[ERR_FIELD_MAX];

	*ret = column_find(schema, column);
	if (*ret < 0)
		return no_column(s, key, column, reterr);
	for (int64_t i = *ret + 1; i < schema->n_children; i++)
		if (str_eq(schema->children[i]->name, column))
			return source_twice(shown_path(s), key, column, reterr);
	type = column_type(schema->children[*ret]);
	str_excerptf(field, sizeof(field), "/dataset/%s", key);
	return (label ? is_label(s, schema->children[*ret]) : is_text(type))
		       ? 0
		       : wrong_type(s, field, column, *ret, label, reterr);
}

static int find_columns(struct source *s, struct err *reterr)
{
	struct table_source *state = s->state;
	int r = find(s, "text_column", s->columns.text, false, &state->text, reterr);

	state->pair = -1;
	if (r >= 0 && s->columns.pair)
		r = find(s, "text_pair_column", s->columns.pair, false, &state->pair, reterr);
	if (r >= 0)
		r = find(s, "label_column", s->columns.label, true, &state->label, reterr);
	return r;
}

/* The class names in the card of a folder "DIR/SPLIT", else in its first file. */
static int tree_class_names(const struct source *s, const struct ArrowSchema *schema, json_t **ret,
			    struct err *reterr)
{
	bool decides;
	int r = card_class_names(s->path, s->columns.config, s->columns.label, ret, &decides,
				 reterr);

	if (r >= 0 && !decides) {
		*ret = schema_class_names(schema, s->columns.label);
		((struct table_source *)s->state)->names_of_files = true;
	}
	return r;
}

static void list_names(struct buf *out, const json_t *names)
{
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
		buf_printf(out, "%s'%s'", i ? ", " : "", json_string_value(name));
}

/* The table goes on with another file: its ids must mean the classes of the first one. A file
 * without names has those of the first. */
static int check_class_names(const struct source *s, struct err *reterr)
{
	const struct table_source *state = s->state;
	OWN(json_decrefp)
	json_t *names = schema_class_names(&state->table.schema, s->columns.label);
	OWN(buf_done) struct buf listed = BUF_INIT(ERR_MSG_MAX / 4);
	bool same = json_array_size(names) == s->label_names_n;

	for (size_t i = 0; same && i < s->label_names_n; i++)
		same = str_eq(json_string_value(json_array_get(names, i)), s->label_names[i]);
	if (!state->names_of_files || !names || same)
		return 0;
	list_names(&listed, names);
	return err_at(reterr, ERR_INVALID, "/dataset/label_column",
		      "%s names the classes %s%s, but %s has other names or another order; write "
		      "both files with the same ClassLabel",
		      shown_path(s), buf_str(&listed), buf_ok(&listed) ? "" : ", ...",
		      state->table.files[0]);
}

static int take_class_names(struct source *s, struct err *reterr)
{
	struct table_source *state = s->state;
	const struct ArrowSchema *schema = &state->table.schema;
	OWN(json_decrefp) json_t *names = NULL;
	json_t *name;
	size_t i;
	int r = 0;

	if (s->kind == &source_saved)
		r = saved_class_names(s->path, schema, s->columns.label, &names, reterr);
	else if (s->kind == &source_parquet_tree)
		r = tree_class_names(s, schema, &names, reterr);
	else
		names = schema_class_names(schema, s->columns.label);
	if (r < 0)
		return r;
	json_array_foreach(names, i, name) {
		if (source_add_label_name(s, json_string_value(name)) < 0)
			return err_errno(reterr, ENOMEM, "read %s", s->path);
	}
	return 0;
}

static int open_table(struct source *s, char **files, size_t n, bool parquet, struct err *reterr)
{
	struct table_source *state = calloc(1, sizeof(*state));
	size_t names_n = 0;
	int r;

	if (!state) {
		saved_files_free(files, n);
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	}
	s->state = state;
	r = table_open(&state->table, files, n, parquet, reterr);
	if (r >= 0)
		r = find_columns(s, reterr);
	if (r >= 0)
		r = take_class_names(s, reterr);
	if (r < 0)
		return r;
	state->names[names_n++] = s->columns.text;
	state->names[names_n++] = s->columns.label;
	if (s->columns.pair)
		state->names[names_n++] = s->columns.pair;
	return table_select(&state->table, state->names, names_n, reterr);
}

static int parquet_open(struct source *s, struct err *reterr)
{
	char **files = calloc(1, sizeof(*files));

	if (!files || !(files[0] = strdup(s->path))) {
		free(files);
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	}
	return open_table(s, files, 1, true, reterr);
}

static int parquet_tree_open(struct source *s, struct err *reterr)
{
	size_t n = s->files->n;
	char **files = calloc(n, sizeof(*files));
	bool all = files;

	for (size_t i = 0; files && i < n; i++)
		all &= (files[i] = strdup(s->files->files[i])) != NULL;
	if (all)
		return open_table(s, files, n, true, reterr);
	saved_files_free(files, n);
	return err_errno(reterr, ENOMEM, "read %s", s->path);
}

static int saved_open(struct source *s, struct err *reterr)
{
	char **files = NULL;
	size_t n = 0;
	int r = saved_files(s->path, &files, &n, reterr);

	return r < 0 ? r : open_table(s, files, n, false, reterr);
}

static void take_string(const struct table_source *state, int64_t column, const char **ret,
			size_t *ret_len)
{
	const struct ArrowSchema *schema = state->table.schema.children[column];
	const struct ArrowArray *array = state->table.batch.children[column];

	if (!column_is_null(schema, array, state->row))
		*ret = column_string(schema, array, state->row, ret_len);
}

static int take_list(struct source *s, struct source_row *row, struct err *reterr)
{
	const struct table_source *state = s->state;
	const struct ArrowSchema *schema = state->table.schema.children[state->label];
	const struct ArrowArray *array = state->table.batch.children[state->label];
	int64_t start, n;

	row->label.type = LABEL_NULL;
	if (column_is_null(schema, array, state->row))
		return 0;
	column_list(schema, array, state->row, &start, &n);
	if (n > LABEL_LIST_MAX)
		return source_long_list(s, row, reterr);
	s->list.n = 0;
	for (int64_t i = start; i < start + n; i++) {
		struct label_value *v = label_list_add(&s->list);

		if (!v)
			return err_errno(reterr, ENOMEM, "read %s", s->path);
		column_label(schema->children[0], array->children[0], i, v);
	}
	row->list = &s->list;
	return 0;
}

static int take_row(struct source *s, struct source_row *row, struct err *reterr)
{
	const struct table_source *state = s->state;
	const struct ArrowSchema *label = state->table.schema.children[state->label];

	take_string(state, state->text, &row->text, &row->text_len);
	if (state->pair >= 0)
		take_string(state, state->pair, &row->pair, &row->pair_len);
	if (is_label_list(label))
		return take_list(s, row, reterr);
	column_label(label, state->table.batch.children[state->label], state->row, &row->label);
	return 0;
}

static int table_source_next(struct source *s, struct source_row *row, struct err *reterr)
{
	struct table_source *state = s->state;
	int r;

	if (state->row == state->table.batch.length) {
		r = table_next(&state->table, reterr);
		if (r <= 0)
			return r;
		r = find_columns(s, reterr); /* every file may order its columns differently */
		if (r >= 0 && state->file != state->table.file)
			r = check_class_names(s, reterr);
		if (r < 0)
			return r;
		state->file = state->table.file;
		state->row = 0;
	}
	r = take_row(s, row, reterr);
	state->row++;
	return r < 0 ? r : 1;
}

static void table_source_close(struct source *s)
{
	struct table_source *state = s->state;

	table_close(&state->table);
	free(state);
}

const struct source_kind source_parquet = {.name = "Parquet",
					   .open = parquet_open,
					   .next = table_source_next,
					   .close = table_source_close};
const struct source_kind source_parquet_tree = {.name = "Parquet",
						.open = parquet_tree_open,
						.next = table_source_next,
						.close = table_source_close};
const struct source_kind source_saved = {.name = "saved data set",
					 .open = saved_open,
					 .next = table_source_next,
					 .close = table_source_close};
