/* SPDX-License-Identifier: MIT */
/* See plan.h. */
#include "worker/dataset/plan.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/detect.h"
#include "worker/model/id2label.h"

#include <limits.h>
#include <string.h>

#define DEFAULT_TEXT  "text"
#define DEFAULT_LABEL "label"
#define DEFAULT_SEED  42

static const char *const taken_names[] = {"labels", "input_ids", "token_type_ids",
					  "attention_mask"};

static int check_column(const char *field, const char *name, const char *taken, struct err *reterr)
{
	if (!name || !str_eq(name, taken))
		return 0;
	return err_at(reterr, ERR_INVALID, field,
		      "a text column cannot be named '%s': the tokenised data set has a column of "
		      "that name",
		      name);
}

static int init_columns(struct plan *p, const json_t *dataset, struct err *reterr)
{
	int r = 0;

	p->columns.text = json_get_str(dataset, "text_column", DEFAULT_TEXT);
	p->columns.pair = json_get_str(dataset, "text_pair_column", NULL);
	p->columns.label = json_get_str(dataset, "label_column", DEFAULT_LABEL);
	p->columns.config = json_get_str(dataset, "config", NULL);
	p->columns.config_chosen = json_object_get(dataset, "hub");
	for (size_t i = 0; i < ARRAY_LEN(taken_names) && r >= 0; i++) {
		r = check_column("/dataset/text_column", p->columns.text, taken_names[i], reterr);
		if (r >= 0)
			r = check_column("/dataset/text_pair_column", p->columns.pair,
					 taken_names[i], reterr);
	}
	if (r < 0)
		return r;
	if (str_eq(p->columns.text, p->columns.pair) || str_eq(p->columns.text, p->columns.label) ||
	    str_eq(p->columns.pair, p->columns.label))
		return err_at(reterr, ERR_INVALID, "/dataset/label_column",
			      "text_column, text_pair_column and label_column must be different "
			      "columns");
	return 0;
}

/* Read the delimiter and the quoting of a CSV. */
static int init_dialect(struct plan *p, const json_t *dataset, struct err *reterr)
{
	const char *delimiter = json_get_str(dataset, "delimiter", "");
	const char *quoting = json_get_str(dataset, "quoting", "minimal");

	if (strlen(delimiter) > 1 || strpbrk(delimiter, "\"\r\n"))
		return err_at(
			reterr, ERR_INVALID, "/dataset/delimiter",
			"delimiter must be one character other than a quote and an end of line");
	if (!str_eq(quoting, "minimal") && !str_eq(quoting, "none"))
		return err_at(reterr, ERR_INVALID, "/dataset/quoting",
			      "quoting must be 'minimal' or 'none', not '%s'", quoting);
	p->columns.delimiter = delimiter[0];
	p->columns.no_quotes = str_eq(quoting, "none");
	return 0;
}

/* Refuse delimiter and quoting if no source is CSV. */
static int check_dialect(const struct plan *p, const json_t *dataset, struct err *reterr)
{
	const char *field = json_object_get(dataset, "delimiter") ? "delimiter" : "quoting";
	char pointer[ERR_FIELD_MAX];

	str_excerptf(pointer, sizeof(pointer), "/dataset/%s", field);
	for (size_t i = 0; i < p->sources_n; i++)
		if (p->sources[i].kind == &source_csv || p->sources[i].kind == &source_csv_tree)
			return 0;
	if (!json_object_get(dataset, field))
		return 0;
	return err_at(reterr, ERR_INVALID, pointer,
		      "%s is not a CSV file, and only CSV files have a %s; remove it",
		      p->sources[0].path, field);
}

static int init_rows(struct plan *p, const json_t *dataset, struct err *reterr)
{
	static const char *const keys[] = {"train_rows", "test_rows"};
	int64_t *rows[] = {&p->train_rows, &p->test_rows};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const json_t *j = json_object_get(dataset, keys[i]);
		char field[ERR_FIELD_MAX];

		str_excerptf(field, sizeof(field), "/dataset/%s", keys[i]);
		*rows[i] = -1;
		if (!j || json_is_null(j))
			continue;
		if (!json_is_integer(j) || json_integer_value(j) < 1)
			return err_at(reterr, ERR_INVALID, field,
				      "%s must be a whole number of at least 1", keys[i]);
		*rows[i] = json_integer_value(j);
	}
	p->seed = (uint64_t)json_get_int(dataset, "seed", DEFAULT_SEED);
	return 0;
}

/* `sub`: the name of the split in the folder, or "". */
static int add_source(struct plan *p, struct detected *found, const char *path, const char *sub,
		      const char *field, enum split_part only, struct err *reterr)
{
	struct plan_source *s = &p->sources[p->sources_n];
	char full[PATH_MAX];

	if (*sub ? !path_join(full, sizeof(full), path, sub) : !str_copy(full, sizeof(full), path))
		return err_errno(reterr, ENAMETOOLONG, "read %s", path);
	*s = (struct plan_source){
		.kind = found->kind, .field = field, .only = only, .path = strdup(full)};
	if (*sub)
		s->files = split_groups_take(&found->files, sub);
	p->sources_n++;
	return s->path ? 0 : err_errno(reterr, ENOMEM, "read %s", path);
}

static int init_part(struct plan *p, const json_t *dataset, const char *key, const char *field,
		     enum split_part only, struct err *reterr)
{
	const char *path = json_get_str(json_object_get(dataset, key), "path", NULL);
	OWN(detected_done) struct detected found = {0};
	int r;

	if (!path)
		return err_at(reterr, ERR_INVALID, field,
			      "dataset.train and dataset.test must both be objects with a path");
	r = source_detect(path, field, NULL, &p->columns, &found, reterr);
	if (r < 0)
		return r;
	if (found.has_parts)
		return err_at(reterr, ERR_INVALID, field,
			      "%s has a train and a test part; name the whole in dataset.path, or "
			      "one part here",
			      path);
	return add_source(p, &found, path, found.train, field, only, reterr);
}

/* The split of `path` that replaces a test set without labels. */
static int add_spare(struct plan_source *s, struct detected *found, const char *path,
		     struct err *reterr)
{
	char full[PATH_MAX];

	if (!path_join(full, sizeof(full), path, found->spare))
		return err_errno(reterr, ENAMETOOLONG, "read %s", path);
	s->spare_files = split_groups_take(&found->files, found->spare);
	s->spare = strdup(full);
	return s->spare ? 0 : err_errno(reterr, ENOMEM, "read %s", path);
}

static int init_sources(struct plan *p, const json_t *dataset, struct err *reterr)
{
	const char *path = json_get_str(dataset, "path", NULL);
	/* for the hub's data sets the fetch has already chosen the test split */
	const char *test_split =
		json_object_get(dataset, "hub") ? NULL : json_get_str(dataset, "test_split", NULL);
	OWN(detected_done) struct detected found = {0};
	int r;

	if (!path) {
		r = init_part(p, dataset, "train", "/dataset/train", SPLIT_TRAIN, reterr);
		return r < 0 ? r
			     : init_part(p, dataset, "test", "/dataset/test", SPLIT_TEST, reterr);
	}
	r = source_detect(path, "/dataset", test_split, &p->columns, &found, reterr);
	if (r < 0)
		return r;
	if (!found.has_parts)
		return add_source(p, &found, path, found.train, "/dataset", SPLIT_NONE, reterr);
	r = add_source(p, &found, path, found.train, "/dataset", SPLIT_TRAIN, reterr);
	if (r >= 0)
		r = add_source(p, &found, path, found.test, "/dataset", SPLIT_TEST, reterr);
	if (r >= 0 && found.spare[0])
		r = add_spare(&p->sources[1], &found, path, reterr);
	return r;
}

static int init_bad_rows(struct plan *p, const json_t *dataset, struct err *reterr)
{
	const char *word = json_get_str(dataset, "on_bad_row", "refuse");

	if (!str_eq(word, "refuse") && !str_eq(word, "skip"))
		return err_at(reterr, ERR_INVALID, "/dataset/on_bad_row",
			      "on_bad_row must be 'refuse' or 'skip', not '%s'", word);
	p->skip_bad = str_eq(word, "skip");
	return 0;
}

/* `problem_type` as in the config.json of transformers. */
static int init_kind(struct plan *p, const json_t *dataset, struct err *reterr)
{
	static const char *const words[] = {[DATASET_CLASSES] = "single_label_classification",
					    [DATASET_NUMBERS] = "regression",
					    [DATASET_VECTORS] = "multi_label_classification"};
	const char *word = json_get_str(dataset, "problem_type", words[DATASET_CLASSES]);
	bool known = false;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_eq(word, words[i]))
			p->kind = (enum dataset_kind)i;
		known |= str_eq(word, words[i]);
	}
	if (!known)
		return err_at(reterr, ERR_INVALID, "/dataset/problem_type",
			      "problem_type must be '%s', '%s' or '%s', not '%s'", words[0],
			      words[2], words[1], word);
	p->columns.label_lists = p->kind == DATASET_VECTORS;
	if (p->kind == DATASET_VECTORS && json_object_get(dataset, "no_label"))
		return err_at(
			reterr, ERR_INVALID, "/dataset/no_label",
			"no_label is for one class a row; remove it, or problem_type (an empty "
			"list means that no class applies)");
	if (p->kind == DATASET_VECTORS) {
		int r = check_column("/dataset/text_column", p->columns.text,
				     DATASET_CLASSES_COLUMN, reterr);

		return r < 0 ? r
			     : check_column("/dataset/text_pair_column", p->columns.pair,
					    DATASET_CLASSES_COLUMN, reterr);
	}
	if (p->kind == DATASET_NUMBERS && json_object_get(dataset, "labels"))
		return err_at(reterr, ERR_INVALID, "/dataset/labels",
			      "a regression has numbers as labels and no classes; remove labels, "
			      "or problem_type");
	return 0;
}

/* `labels` is a list of names, or the directory of the model whose classes they are. */
static int init_labels(struct plan *p, const json_t *dataset, struct err *reterr)
{
	const char *model = json_get_str(dataset, "labels", NULL);
	OWN(json_decrefp) json_t *named = json_copy((json_t *)dataset), *names = NULL;
	int r = 0;

	if (!named)
		return err_errno(reterr, ENOMEM, "read the labels");
	if (model)
		r = id2label_load(model, &names, reterr);
	if (r < 0)
		return err_in(reterr, r, "/dataset/labels");
	if (names)
		json_object_set(named, "labels", names);
	r = labels_init(&p->labels, named, reterr);
	p->labels.of_model = names;
	return r;
}

int plan_init(struct plan *p, const struct worker *w, struct err *reterr)
{
	const json_t *dataset = json_object_get(w->spec, "dataset");
	int r;

	*p = (struct plan){0};
	if (!json_is_object(dataset))
		return err_at(reterr, ERR_INVALID, "/dataset", "dataset must be an object");
	r = init_columns(p, dataset, reterr);
	if (r >= 0)
		r = init_rows(p, dataset, reterr);
	if (r >= 0)
		r = init_bad_rows(p, dataset, reterr);
	if (r >= 0)
		r = init_kind(p, dataset, reterr);
	if (r >= 0)
		r = init_labels(p, dataset, reterr);
	if (r >= 0)
		r = init_dialect(p, dataset, reterr);
	if (r >= 0)
		r = init_sources(p, dataset, reterr);
	return r < 0 ? r : check_dialect(p, dataset, reterr);
}

void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->sources_n; i++) {
		free(p->sources[i].path);
		free(p->sources[i].spare);
		split_group_done(&p->sources[i].files);
		split_group_done(&p->sources[i].spare_files);
		free(p->sources[i].part);
		free(p->sources[i].label);
		free(p->sources[i].target);
		label_sets_done(&p->sources[i].sets);
	}
	labels_done(&p->labels);
	label_rows_done(&p->rows);
	*p = (struct plan){0};
}
