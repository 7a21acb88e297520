/* SPDX-License-Identifier: MIT */
/* See label_match.h. */
#include "worker/train/label_match.h"

#include "base/own.h"
#include "base/str.h"
#include "worker/tokenizer/unicode.h"

#include <string.h>

#define FIELD	    "/label_map"
#define NAMES_SHOWN 8 /* classes that a message lists */
#define NONE	    (-1)

/* The classes of one side. */
struct classes {
	char *const *names; /* NULL: ids only */
	int n;
};

static void default_name(char out[32], int id)
{
	snprintf(out, 32, "LABEL_%d", id);
}

/* True if somebody chose the names. */
static bool are_named(char *const *names, int n)
{
	char plain[32];

	for (int i = 0; names && i < n; i++) {
		default_name(plain, i);
		if (!str_eq(names[i], plain))
			return true;
	}
	return false;
}

static struct classes classes_of(char *const *names, int n)
{
	return (struct classes){.names = are_named(names, n) ? names : NULL, .n = n};
}

static bool equal_without_case(const char *a, const char *b)
{
	const unsigned char *s = (const unsigned char *)a, *t = (const unsigned char *)b;
	size_t s_len = strlen(a), t_len = strlen(b), bad = 0;

	while (s_len && t_len) {
		uint32_t x, y;
		size_t n = utf8_decode(s, s_len, &x, &bad), m = utf8_decode(t, t_len, &y, &bad);

		if (unicode_lower(x) != unicode_lower(y))
			return false;
		s += n;
		s_len -= n;
		t += m;
		t_len -= m;
	}
	return !s_len && !t_len;
}

/* The one class of that name but for case; NONE: there is none or several. */
static int find_without_case(const struct classes *c, const char *name)
{
	int found = NONE;

	for (int i = 0; i < c->n; i++) {
		if (!equal_without_case(c->names[i], name))
			continue;
		if (found != NONE)
			return NONE;
		found = i;
	}
	return found;
}

/* The class of that name, or of that id where there are no names. */
static int find_class(const struct classes *c, const char *name)
{
	char plain[32], id[32];

	for (int i = 0; i < c->n; i++) {
		default_name(plain, i);
		snprintf(id, sizeof(id), "%d", i);
		if (c->names ? str_eq(c->names[i], name) : str_eq(plain, name) || str_eq(id, name))
			return i;
	}
	return NONE;
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

/* By name; by id if a side has no names. */
static void match_rest(const struct classes *data, const struct classes *model, int *ids)
{
	bool by_name = data->names && model->names;

	for (int i = 0; i < data->n; i++) {
		if (ids[i] != NONE)
			continue;
		if (!by_name) {
			ids[i] = i < model->n ? i : NONE;
			continue;
		}
		ids[i] = find_class(model, data->names[i]);
		if (ids[i] == NONE && find_without_case(data, data->names[i]) == i)
			ids[i] = find_without_case(model, data->names[i]);
	}
}

/* -ERR_INVALID if rows have a class that is none of the model's. */
static int check_rows(const struct dataset *d, const struct classes *data,
		      const struct classes *model, const int *ids, const char *remedy,
		      struct err *reterr)
{
	OWN(freep) bool *missing = calloc((size_t)data->n, sizeof(*missing));
	char known[ERR_MSG_MAX / 3], unknown[ERR_MSG_MAX / 3];
	bool any = false;

	if (!missing)
		return err_errno(reterr, ENOMEM, "match the labels");
	for (int64_t row = 0; row < d->rows; row++) {
		missing[d->labels[row]] = ids[d->labels[row]] == NONE;
		any |= missing[d->labels[row]];
	}
	if (!any)
		return 0;
	list_classes(data, missing, unknown, sizeof(unknown));
	list_classes(model, NULL, known, sizeof(known));
	return err_set(reterr, ERR_INVALID,
		       "the model has the classes %s, but rows of the data have the class %s; %s",
		       known, unknown, remedy);
}

int label_match(struct dataset *d, const struct model_config *c, const json_t *map,
		struct report *report, const char *remedy, struct err *reterr)
{
	struct classes data = classes_of(d->label_names, d->labels_n);
	struct classes model = classes_of(c->labels, c->shape.labels);
	OWN(freep) int *ids = calloc((size_t)data.n, sizeof(*ids));
	int r;

	if (!ids)
		return err_errno(reterr, ENOMEM, "match the labels");
	for (int i = 0; i < data.n; i++)
		ids[i] = NONE;
	r = apply_map(map, &data, &model, ids, reterr);
	if (r < 0)
		return r;
	match_rest(&data, &model, ids);
	r = check_rows(d, &data, &model, ids, remedy, reterr);
	if (r < 0)
		return r;
	for (int64_t row = 0; row < d->rows; row++)
		d->labels[row] = ids[d->labels[row]];
	if (!data.names != !model.names && (int)json_object_size(map) < data.n)
		report_warning(report, "labels_by_id",
			       "the classes of %s have no names: class 0 of the data is taken for "
			       "class 0 of the model ('%s'), and so on",
			       data.names ? "the model" : "the data", c->labels[0]);
	return 0;
}
