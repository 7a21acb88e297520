/* SPDX-License-Identifier: MIT */
/* Orders the rows of an epoch, hands out the rows of a step, and weights them. */
#include "worker/train/batches.h"

#include "base/own.h"
#include "worker/model/model.h"
#include "worker/train/class_weights.h"

#include <stdlib.h>
#include <string.h>

struct batches {
	const struct rows_view *v;
	const struct train_settings *s;
	float *class_weights; /* NULL: all 1 */
	int64_t *order;	      /* of the epoch's rows */
	int64_t epoch;	      /* that `order` is of; -1: none */
	int64_t *starts, *labels;
	float *targets; /* instead of labels: for each row one, or one for each class */
	size_t width;	/* of targets */
	int32_t *lengths;
	float *weights;
};

void batches_freep(struct batches **b)
{
	if (!*b)
		return;
	free((*b)->class_weights);
	free((*b)->order);
	free((*b)->starts);
	free((*b)->labels);
	free((*b)->targets);
	free((*b)->lengths);
	free((*b)->weights);
	free(*b);
}

int batches_new(const struct rows_view *v, const struct train_settings *s,
		const struct model_config *c, struct batches **ret, struct err *reterr)
{
	OWN(batches_freep) struct batches *b = calloc(1, sizeof(*b));
	size_t most = (size_t)s->train_batch_size * (size_t)s->gradient_accumulation_steps;

	int r;

	if (!b)
		return err_errno(reterr, ENOMEM, "start training");
	b->v = v;
	b->s = s;
	b->epoch = -1;
	b->order = calloc((size_t)v->data->rows, sizeof(*b->order));
	b->starts = calloc(most, sizeof(*b->starts));
	b->labels = calloc(most, sizeof(*b->labels));
	b->width = v->data->kind == DATASET_VECTORS ? (size_t)v->data->labels_n : 1;
	b->targets = calloc(most, b->width * sizeof(*b->targets));
	b->lengths = calloc(most, sizeof(*b->lengths));
	b->weights = calloc(most, sizeof(*b->weights));
	if (!b->order || !b->starts || !b->labels || !b->targets || !b->lengths || !b->weights)
		return err_errno(reterr, ENOMEM, "start training");
	r = class_weights_make(s, v->data, c, &b->class_weights, reterr);
	if (r >= 0)
		*ret = TAKE(b);
	return r;
}

/* The order that accelerate's seeded sampler gives this epoch. */
static int order_rows(struct batches *b, int64_t epoch, struct err *reterr)
{
	struct torch_error te;
	int r;

	if (epoch == b->epoch)
		return 0;
	r = model_torch_error(
		torch_permutation((uint64_t)(b->s->seed + epoch), b->v->data->rows, b->order, &te),
		&te, reterr);
	if (r >= 0)
		b->epoch = epoch;
	return r;
}

/* Rows [begin, end) of the step are one of its `batches` batches. */
static void weigh_batch(struct batches *b, int begin, int end, int batches)
{
	double sum = 0;

	for (int i = begin; i < end; i++) {
		b->weights[i] = b->class_weights ? b->class_weights[b->labels[i]] : 1;
		sum += (double)b->weights[i];
	}
	for (int i = begin; i < end; i++)
		b->weights[i] = (float)((double)b->weights[i] / (sum * batches));
}

int batches_step(struct batches *b, int64_t k, struct torch_batch *ret, struct err *reterr)
{
	const struct dataset *d = b->v->data;
	const int size = b->s->train_batch_size;
	const int64_t most = (int64_t)size * b->s->gradient_accumulation_steps;
	const int64_t first = k % b->s->steps_per_epoch * most;
	int r = order_rows(b, k / b->s->steps_per_epoch, reterr), n = 0;

	if (r < 0)
		return r;
	for (; n < most && first + n < d->rows; n++) {
		int64_t row = b->order[first + n];

		b->starts[n] = d->offsets[row];
		b->lengths[n] = b->v->lengths[row];
		if (d->kind == DATASET_CLASSES)
			b->labels[n] = d->labels[row];
		else
			memcpy(b->targets + (size_t)n * b->width,
			       d->targets + (size_t)row * b->width, b->width * sizeof(*b->targets));
	}
	for (int i = 0; i < n; i += size)
		weigh_batch(b, i, i + size < n ? i + size : n, (n + size - 1) / size);
	*ret = (struct torch_batch){.ids = d->ids,
				    .types = d->type_ids,
				    .starts = b->starts,
				    .lengths = b->lengths,
				    .rows = n,
				    .labels = d->kind == DATASET_CLASSES ? b->labels : NULL,
				    .targets = d->kind == DATASET_CLASSES ? NULL : b->targets,
				    .weights = b->weights};
	return 0;
}
