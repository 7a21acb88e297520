/* SPDX-License-Identifier: MIT */
/* Computes balanced weights from the rows, or takes given ones by the names of the classes. */
#include "worker/train/class_weights.h"

#include "base/own.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

#define NAMES_SHOWN 300 /* bytes of a list of classes in a message */

static int balanced_weights(const struct dataset *d, int classes, float *weights)
{
	OWN(freep) int64_t *counts = calloc((size_t)classes, sizeof(*counts));
	int seen = 0;

	if (!counts)
		return -ENOMEM;
	for (int64_t row = 0; row < d->rows; row++)
		seen += counts[d->labels[row]]++ == 0;
	for (int i = 0; i < classes; i++)
		if (counts[i])
			weights[i] = (float)((double)d->rows / ((double)seen * (double)counts[i]));
	return 0;
}

static int find_class(const struct model_config *c, const char *name)
{
	for (int i = 0; i < c->shape.labels; i++)
		if (str_eq(c->labels[i], name))
			return i;
	return -1;
}

/* The classes whose weight is still 0, or all of them, as "'a', 'b', …". */
static const char *list_classes(const struct model_config *c, const float *weights,
				char list[NAMES_SHOWN])
{
	size_t n = 0;

	list[0] = '\0';
	for (int i = 0; i < c->shape.labels && n < NAMES_SHOWN - 1; i++) {
		if (weights && weights[i] > 0)
			continue;
		str_excerptf(list + n, NAMES_SHOWN - n, "%s'%s'", n ? ", " : "", c->labels[i]);
		n = strlen(list);
	}
	return list;
}

static int named_weights(const json_t *by_name, const struct model_config *c, float *weights,
			 struct err *reterr)
{
	static const char field[] = "/hyperparameters/class_weights";
	char list[NAMES_SHOWN];
	const char *name;
	json_t *weight;

	json_object_foreach((json_t *)by_name, name, weight) {
		int at = find_class(c, name);

		if (at < 0)
			return err_at(reterr, ERR_INVALID, field,
				      "class_weights names '%.80s', but the classes of the data "
				      "are %s",
				      name, list_classes(c, NULL, list));
		weights[at] = (float)json_number_value(weight);
	}
	if (json_object_size(by_name) < (size_t)c->shape.labels)
		return err_at(reterr, ERR_INVALID, field,
			      "class_weights has no weight for %s; give each class one, such as 1",
			      list_classes(c, weights, list));
	return 0;
}

int class_weights_make(const struct train_settings *s, const struct dataset *d,
		       const struct model_config *c, float **ret, struct err *reterr)
{
	OWN(freep) float *weights = NULL;
	int r;

	*ret = NULL;
	if (s->class_weights == TRAIN_WEIGHTS_NONE)
		return 0;
	weights = calloc((size_t)c->shape.labels, sizeof(*weights));
	if (!weights)
		return err_errno(reterr, ENOMEM, "weigh the classes");
	if (s->class_weights == TRAIN_WEIGHTS_BY_NAME)
		r = named_weights(s->weights_by_name, c, weights, reterr);
	else if ((r = balanced_weights(d, c->shape.labels, weights)) < 0)
		r = err_errno(reterr, -r, "weigh the classes");
	if (r >= 0)
		*ret = TAKE(weights);
	return r;
}
