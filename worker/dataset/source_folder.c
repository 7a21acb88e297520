/* SPDX-License-Identifier: MIT */
/*
 * A folder of class folders with one text per file, as in aclImdb (pos/0_9.txt, neg/…). The sorted
 * names of the folders are the classes, except "unsup". The files of a folder are sorted, too.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "worker/dataset/source.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct folder_source {
	struct dirent **files; /* of the class that is being read */
	int files_n, file;
	size_t class; /* the next class to list; the current one is class - 1 */
	struct buf text;
};

static int is_class(const struct dirent *d)
{
	return d->d_name[0] != '.' && strcmp(d->d_name, "unsup") != 0;
}

static int is_text(const struct dirent *d)
{
	return d->d_name[0] != '.' && str_ends(d->d_name, ".txt");
}

static void free_list(struct dirent **list, int n)
{
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

static int folder_open(struct source *s, struct err *reterr)
{
	struct folder_source *state = calloc(1, sizeof(*state));
	struct dirent **classes = NULL;
	char path[PATH_MAX], field[ERR_FIELD_MAX];
	int n, r = 0;

	if (!state)
		return err_errno(reterr, ENOMEM, "read %s", s->path);
	s->state = state;
	buf_init(&state->text, SOURCE_TEXT_MAX);
	n = scandir(s->path, &classes, is_class, alphasort);
	if (n < 0)
		return err_errno(reterr, errno, "read %s", s->path);
	for (int i = 0; i < n && r >= 0; i++) {
		if (!path_join(path, sizeof(path), s->path, classes[i]->d_name))
			r = -ENAMETOOLONG;
		else if (path_is_dir(AT_FDCWD, path))
			r = source_add_label_name(s, classes[i]->d_name);
	}
	free_list(classes, n);
	if (r < 0)
		return err_errno(reterr, -r, "read %s", s->path);
	str_excerptf(field, sizeof(field), "%s/path", s->field);
	if (s->columns.pair)
		return err_at(reterr, ERR_INVALID, field,
			      "%s is a folder of texts and has no second text column", s->path);
	if (!s->label_names_n)
		return err_at(reterr, ERR_INVALID, field,
			      "%s is neither a saved data set nor a folder of Parquet files or of "
			      "class folders such as pos/ and neg/",
			      s->path);
	return 0;
}

/* Go on to the next class that has files. 1, or 0 when there is none. */
static int next_class(struct source *s, struct err *reterr)
{
	struct folder_source *state = s->state;
	char path[PATH_MAX];

	while (state->file == state->files_n) {
		free_list(state->files, state->files_n);
		state->files = NULL;
		state->files_n = state->file = 0;
		if (state->class == s->label_names_n)
			return 0;
		if (!path_join(path, sizeof(path), s->path, s->label_names[state->class ++]))
			return err_errno(reterr, ENAMETOOLONG, "read %s", s->path);
		state->files_n = scandir(path, &state->files, is_text, alphasort);
		if (state->files_n < 0) {
			state->files_n = 0;
			return err_errno(reterr, errno, "read %s", path);
		}
	}
	return 1;
}

static int folder_next(struct source *s, struct source_row *row, struct err *reterr)
{
	struct folder_source *state = s->state;
	char folder[PATH_MAX], path[PATH_MAX];
	const char *name;
	int r = next_class(s, reterr);

	if (r <= 0)
		return r;
	label_from_int(&row->label, (int64_t)state->class - 1);
	name = state->files[state->file++]->d_name;
	if (!path_join(folder, sizeof(folder), s->path, s->label_names[state->class - 1]) ||
	    !path_join(path, sizeof(path), folder, name))
		return err_errno(reterr, ENAMETOOLONG, "read %s", s->path);
	buf_clear(&state->text);
	r = roots_read(path, &state->text, reterr);
	if (r < 0)
		return r;
	row->text = buf_str(&state->text);
	row->text_len = state->text.len;
	return 1;
}

static void folder_close(struct source *s)
{
	struct folder_source *state = s->state;

	free_list(state->files, state->files_n);
	buf_done(&state->text);
	free(state);
}

const struct source_kind source_folder = {
	.name = "folder", .open = folder_open, .next = folder_next, .close = folder_close};
