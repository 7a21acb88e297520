/* SPDX-License-Identifier: MIT */
/*
 * The CSV or JSON Lines files of one split as one source: the rows of one file after the other.
 * Each file has its own header, and a CSV its own delimiter. Class names come from the folder's
 * card.
 */
#include "base/own.h"
#include "worker/dataset/card.h"
#include "worker/dataset/source.h"

#include <stdlib.h>

struct files_source {
	struct source *file; /* the open one; NULL: its opening failed */
	size_t at;	     /* its index */
};

static int open_file(struct source *s, struct err *reterr)
{
	struct files_source *state = s->state;
	const struct source_kind *kind = s->kind == &source_csv_tree ? &source_csv : &source_jsonl;

	source_closep(&state->file);
	state->file = NULL;
	return source_open(kind, s->files->files[state->at], NULL, s->field, &s->columns,
			   &state->file, reterr);
}

static int take_class_names(struct source *s, struct err *reterr)
{
	OWN(json_decrefp) json_t *names = NULL;
	bool decides;
	json_t *name;
	size_t i;
	int r = card_class_names(s->path, s->columns.config, s->columns.label, &names, &decides,
				 reterr);

	if (r < 0)
		return r;
	json_array_foreach(names, i, name)
		if (source_add_label_name(s, json_string_value(name)) < 0)
			return err_errno(reterr, ENOMEM, "read %s", s->path);
	return 0;
}

static int files_open(struct source *s, struct err *reterr)
{
	struct files_source *state = calloc(1, sizeof(*state));
	int r;

	if (!state)
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	s->state = state;
	r = open_file(s, reterr);
	if (r < 0)
		return r;
	s->delimiter = state->file->delimiter;
	return take_class_names(s, reterr);
}

/* Keep what the file that ends says of its quotes. */
static void keep_doubts(struct source *s)
{
	const struct source *file = ((struct files_source *)s->state)->file;

	if (file->doubtful && !s->doubtful) {
		s->doubtful_path = s->files->files[((struct files_source *)s->state)->at];
		s->doubtful_line = file->doubtful_line;
	}
	s->doubtful += file->doubtful;
}

static int files_next(struct source *s, struct source_row *row, struct err *reterr)
{
	struct files_source *state = s->state;
	int r;

	while ((r = source_next(state->file, row, reterr)) == 0) {
		keep_doubts(s);
		if (state->at + 1 == s->files->n)
			return 0;
		state->at++;
		r = open_file(s, reterr);
		if (r < 0)
			return r;
	}
	row->number = s->rows + 1;
	return r;
}

static double files_fraction(const struct source *s)
{
	const struct files_source *state = s->state;

	return ((double)state->at + source_fraction(state->file)) / (double)s->files->n;
}

static void files_close(struct source *s)
{
	struct files_source *state = s->state;

	source_closep(&state->file);
	free(state);
}

const struct source_kind source_csv_tree = {.name = "CSV",
					    .open = files_open,
					    .next = files_next,
					    .fraction = files_fraction,
					    .close = files_close};
const struct source_kind source_jsonl_tree = {.name = "JSONL",
					      .open = files_open,
					      .next = files_next,
					      .fraction = files_fraction,
					      .close = files_close};
