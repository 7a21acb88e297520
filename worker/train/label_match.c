/* SPDX-License-Identifier: MIT */
/* Matches the classes by the map, then by name or id, checks the classes of the rows, and rewrites
 * the labels. */
#include "worker/train/label_match.h"

#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/label_match.h"

#include <string.h>

#define FIELD	    "/label_map"
#define NAMES_SHOWN 8	 /* classes that a message lists */
#define NONE	    (-1) /* as label_names_match says it */

/* The classes of one side. */
struct classes {
	char *const *names; /* NULL: ids only */
	int n;
};

static struct classes classes_of(char *const *names, int n)
{
	return (struct classes){.names = label_names_are_chosen(names, (size_t)n) ? names : NULL,
				.n = n};
}

/* The class of that name. If there are no names, the class of that id ("1", "LABEL_1"). */
static int find_class(const struct classes *c, const char *name)
{
	int32_t id;

	for (int i = 0; c->names && i < c->n; i++)
		if (str_eq(c->names[i], name))
			return i;
	id = c->names ? NONE : label_name_id(name);
	return id < c->n ? id : NONE;
}

/* "'a', 'b' and 3 more" of the classes for which `shown` is true (NULL: all). */
static void list_classes(const struct classes *c, const bool *shown, char *out, size_t size)
{
	size_t used = 0;
	int listed = 0, left = 0;

	out[0] = '\0';
	for (int i = 0; i < c->n && used < size; i++) {
		char id[16];

		if (shown && !shown[i])
			continue;
		if (listed == NAMES_SHOWN) {
			left++;
			continue;
		}
		snprintf(id, sizeof(id), "%d", i);
		used += (size_t)snprintf(out + used, size - used, "%s'%.40s'", listed++ ? ", " : "",
					 c->names ? c->names[i] : id);
	}
	if (left && used < size)
		snprintf(out + used, size - used, " and %d more", left);
	str_utf8_mask(out); /* a name may be cut inside a character */
}

static int no_class(const char *key, const char *whose, const char *name, const struct classes *c,
		    struct err *reterr)
{
	char field[ERR_FIELD_MAX] = FIELD, known[ERR_MSG_MAX / 2];

	json_pointer_add(field, sizeof(field), key);
	list_classes(c, NULL, known, sizeof(known));
	return err_at(reterr, ERR_INVALID, field, "%s has no class '%.80s'; it has %s", whose, name,
		      known);
}

static int apply_map(const json_t *map, const struct classes *data, const struct classes *model,
		     int *ids, struct err *reterr)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)map, key, value) {
		int from = find_class(data, key);
		const char *name = json_string_value(value) ? json_string_value(value) : "";
		int to = find_class(model, name);

		if (from == NONE)
			return no_class(key, "the data", key, data, reterr);
		if (to == NONE)
			return no_class(key, "the model", name, model, reterr);
		ids[from] = to;
	}
	return 0;
}

/* Match the classes that the map does not name: by name, or by id if a side has no names.
 * -ENOMEM. */
static int match_rest(const struct classes *data, const struct classes *model, const bool *used,
		      int *ids)
{
	OWN(freep) int32_t *found = calloc((size_t)data->n, sizeof(*found));

	if (!found)
		return -ENOMEM;
	if (data->names && model->names) {
		if (label_names_match(data->names, (size_t)data->n, model->names, (size_t)model->n,
				      found) < 0)
			return -ENOMEM;
	} else {
		label_names_match_ids(data->names, (size_t)data->n, model->names, (size_t)model->n,
				      used, found);
	}
	for (int i = 0; i < data->n; i++)
		if (ids[i] == NONE)
			ids[i] = found[i];
	return 0;
}

/* -ERR_INVALID if rows have a class that the model lacks. */
static int check_rows(const struct classes *data, const struct classes *model, const bool *used,
		      const int *ids, const char *remedy, struct err *reterr)
{
	OWN(freep) bool *missing = calloc((size_t)data->n, sizeof(*missing));
	char known[ERR_MSG_MAX / 3], unknown[ERR_MSG_MAX / 3];
	bool any = false;

	if (!missing)
		return err_errno(reterr, ENOMEM, "match the labels");
	for (int i = 0; i < data->n; i++) {
		missing[i] = used[i] && ids[i] == NONE;
		any |= missing[i];
	}
	if (!any)
		return 0;
	list_classes(data, missing, unknown, sizeof(unknown));
	list_classes(model, NULL, known, sizeof(known));
	return err_set(reterr, ERR_INVALID,
		       "the model has the classes %s, but rows of the data have the class %s; %s",
		       known, unknown, remedy);
}

/* Warn with an example: the first class that rows have, and its class of the model. */
static void warn_by_id(const struct classes *data, const struct model_config *c, const bool *used,
		       const int *ids, struct report *report)
{
	char id[16];
	int i = 0;

	while (i < data->n && !used[i])
		i++;
	if (i == data->n)
		return;
	snprintf(id, sizeof(id), "%d", i);
	report_warning(report, "labels_by_id",
		       "the classes of %s have no names: class %s of the data is taken for class "
		       "%d of the model ('%s'), and so on",
		       data->names ? "the model" : "the data", data->names ? data->names[i] : id,
		       ids[i], c->labels[ids[i]]);
}

enum model_problem label_problem(enum dataset_kind kind)
{
	static const enum model_problem problems[] = {[DATASET_CLASSES] = MODEL_SINGLE_LABEL,
						      [DATASET_NUMBERS] = MODEL_REGRESSION,
						      [DATASET_VECTORS] = MODEL_MULTI_LABEL};

	return problems[kind];
}

/* Without problem_type a model of one label may answer numbers. */
static bool may_answer(const struct model_config *c, enum dataset_kind kind)
{
	return c->problem == label_problem(kind) ||
	       (kind == DATASET_NUMBERS && c->problem == MODEL_SINGLE_LABEL &&
		c->shape.labels == 1);
}

int label_kind_match(const struct dataset *d, const struct model_config *c, const char *data,
		     struct err *reterr)
{
	static const char *const labels[] = {
		[DATASET_CLASSES] = "classes, one a row (whole numbers)",
		[DATASET_NUMBERS] = "numbers (floats)",
		[DATASET_VECTORS] = "several classes a row (lists of floats)"};
	static const char *const answers[] = {
		[MODEL_SINGLE_LABEL] = "one class a row (problem_type single_label_classification)",
		[MODEL_MULTI_LABEL] =
			"several classes a row (problem_type multi_label_classification)",
		[MODEL_REGRESSION] = "numbers (problem_type regression)"};

	if (may_answer(c, d->kind))
		return 0;
	return err_set(
		reterr, ERR_INVALID,
		"the labels of %s are %s, but the model answers %s; preprocess the data with "
		"the model's problem_type, or give another model",
		data, labels[d->kind], answers[c->problem]);
}

/* used[class]: True if any row has the class. */
static void find_used(const struct dataset *d, bool *used)
{
	if (d->kind == DATASET_CLASSES) {
		for (int64_t row = 0; row < d->rows; row++)
			used[d->labels[row]] = true;
		return;
	}
	for (int64_t row = 0; row < d->rows; row++)
		for (int i = 0; i < d->labels_n; i++)
			used[i] |= d->targets[row * d->labels_n + i] > 0;
}

/* Rewrite the vectors for the classes of the model. -ENOMEM. */
static int rewrite_vectors(struct dataset *d, const int *ids, int classes)
{
	float *to = calloc((size_t)d->rows + 1, (size_t)classes * sizeof(*to));

	if (!to)
		return -ENOMEM;
	for (int64_t row = 0; row < d->rows; row++)
		for (int i = 0; i < d->labels_n; i++)
			if (d->targets[row * d->labels_n + i] > 0)
				to[row * classes + ids[i]] = 1;
	free(d->targets);
	d->targets = to;
	for (int i = 0; d->label_names && i < d->labels_n; i++)
		free(d->label_names[i]);
	free(TAKE(d->label_names)); /* they were of the old vectors */
	d->labels_n = classes;
	return 0;
}

/* Rewrite the labels as ids of the model. -ENOMEM. */
static int rewrite(struct dataset *d, const int *ids, int classes)
{
	if (d->kind == DATASET_VECTORS)
		return rewrite_vectors(d, ids, classes);
	for (int64_t row = 0; row < d->rows; row++)
		d->labels[row] = ids[d->labels[row]];
	return 0;
}

int label_match(struct dataset *d, const struct model_config *c, const json_t *map,
		struct report *report, const char *remedy, struct err *reterr)
{
	struct classes data = classes_of(d->label_names, d->labels_n);
	struct classes model = classes_of(c->labels, c->shape.labels);
	OWN(freep) int *ids = calloc((size_t)data.n, sizeof(*ids));
	OWN(freep) bool *used = calloc((size_t)data.n, sizeof(*used));
	int r;

	if (!ids || !used)
		return err_errno(reterr, ENOMEM, "match the labels");
	for (int i = 0; i < data.n; i++)
		ids[i] = NONE;
	find_used(d, used);
	r = apply_map(map, &data, &model, ids, reterr);
	if (r < 0)
		return r;
	if (match_rest(&data, &model, used, ids) < 0)
		return err_errno(reterr, ENOMEM, "match the labels");
	r = check_rows(&data, &model, used, ids, remedy, reterr);
	if (r < 0)
		return r;
	if (!data.names != !model.names && (int)json_object_size(map) < data.n)
		warn_by_id(&data, c, used, ids, report);
	return rewrite(d, ids, c->shape.labels) < 0 ? err_errno(reterr, ENOMEM, "match the labels")
						    : 0;
}
