/* SPDX-License-Identifier: MIT */
/*
 * Runs the network over rows in batches, checks that every logit is finite, and writes the metrics
 * of the evaluation.
 */
#include "worker/train/evaluation.h"

#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/pytext.h"
#include "base/str.h"
#include "worker/model/model.h"

#include <math.h>
#include <string.h>

#define RESULTS_MAX (1 << 20)

int rows_view_make(const struct dataset *d, int64_t max_length, struct rows_view *ret,
		   struct err *reterr)
{
	*ret = (struct rows_view){.data = d};
	ret->lengths = calloc((size_t)d->rows, sizeof(*ret->lengths));
	if (!ret->lengths)
		return err_errno(reterr, ENOMEM, "prepare %lld rows", (long long)d->rows);
	for (int64_t i = 0; i < d->rows; i++) {
		int64_t n = d->offsets[i + 1] - d->offsets[i];

		if (n > INT32_MAX)
			return err_set(reterr, ERR_INVALID, "row %lld has %lld tokens",
				       (long long)i, (long long)n);
		n = max_length && n > max_length ? max_length : n;
		ret->lengths[i] = (int32_t)n;
		ret->tokens += n;
		ret->longest = n > ret->longest ? n : ret->longest;
	}
	return 0;
}

void rows_view_done(struct rows_view *v)
{
	free(v->lengths);
}

static int check_row(const struct rows_view *v, const struct torch_shape *s, int64_t row,
		     struct err *reterr)
{
	const struct dataset *d = v->data;

	for (int64_t i = d->offsets[row]; i < d->offsets[row] + v->lengths[row]; i++) {
		if (d->ids[i] < 0 || d->ids[i] >= s->vocab)
			return err_set(reterr, ERR_INVALID,
				       "token id %d is not in the model's vocabulary of %d; "
				       "preprocess the data with the tokenizer of this model",
				       d->ids[i], s->vocab);
		if (s->types && d->type_ids && (d->type_ids[i] < 0 || d->type_ids[i] >= s->types))
			return err_set(reterr, ERR_INVALID,
				       "token type id %d is out of range; the model has %d types",
				       d->type_ids[i], s->types);
	}
	if (v->lengths[row] < 1)
		return err_set(reterr, ERR_INVALID, "the row has no tokens");
	if (d->kind == DATASET_CLASSES && (d->labels[row] < 0 || d->labels[row] >= s->labels))
		return err_set(reterr, ERR_INVALID,
			       "label %lld is out of range; the model has %d labels",
			       (long long)d->labels[row], s->labels);
	return 0;
}

int rows_view_check(const struct rows_view *v, const struct model_config *c, const char *what,
		    struct err *reterr)
{
	const int most = model_config_max_tokens(c);

	if (v->longest > most)
		return err_set(reterr, ERR_INVALID,
			       "the %s data has rows of %lld tokens, but the model has only %d "
			       "positions; preprocess with max_length %d or less",
			       what, (long long)v->longest, most, most);
	for (int64_t row = 0; row < v->data->rows; row++) {
		int r = check_row(v, &c->shape, row, reterr);

		if (r < 0)
			return err_ctx(reterr, r, "row %lld of the %s data", (long long)row, what);
	}
	return 0;
}

static int check_finite(const float *logits, size_t n, int labels, int64_t first,
			struct err *reterr)
{
	for (size_t i = 0; i < n; i++)
		if (!isfinite(logits[i]))
			return err_set(
				reterr, ERR_NUMERIC,
				"the model's answer to row %lld is not a number, so its weights "
				"are damaged or its training diverged; train the model again",
				(long long)first + (long long)(i / (size_t)labels));
	return 0;
}

/* The counts of an evaluation, by the kind of the labels. */
struct scores {
	const struct dataset *d;
	int labels;
	struct metrics *classes;
	struct regression *numbers;
	struct multi_label *vectors;
};

static void scores_done(struct scores *s)
{
	metrics_freep(&s->classes);
	regression_freep(&s->numbers);
	multi_label_freep(&s->vectors);
}

static int scores_init(struct scores *s, const struct dataset *d, int labels,
		       double label_smoothing)
{
	*s = (struct scores){.d = d, .labels = labels};
	switch (d->kind) {
	case DATASET_CLASSES:
		s->classes = metrics_new(labels, label_smoothing);
		break;
	case DATASET_NUMBERS:
		s->numbers = regression_new(d->rows);
		break;
	case DATASET_VECTORS:
		s->vectors = multi_label_new(d->rows, labels);
		break;
	}
	return s->classes || s->numbers || s->vectors ? 0 : -ENOMEM;
}

static void scores_add(struct scores *s, const float *logits, int64_t first, int rows)
{
	for (int64_t i = 0; i < rows; i++) {
		if (s->numbers)
			regression_add(s->numbers, logits[i * s->labels], s->d->targets[first + i]);
		else if (s->vectors)
			multi_label_add(s->vectors, logits + i * s->labels,
					s->d->targets + (first + i) * s->labels);
		else
			metrics_add(s->classes, logits + i * s->labels, s->d->labels[first + i]);
	}
}

static int scores_values(const struct scores *s, struct metrics_values *ret)
{
	if (s->numbers)
		return regression_values(s->numbers, ret);
	if (s->vectors)
		return multi_label_values(s->vectors, ret);
	metrics_values(s->classes, ret);
	return 0;
}

int evaluate_rows(struct worker *w, struct torch_net *net, const struct rows_view *v,
		  const struct model_config *c, double label_smoothing, int batch_size,
		  struct evaluation *ret, struct err *reterr)
{
	const struct dataset *d = v->data;
	const int labels = c->shape.labels;
	OWN(scores_done) struct scores scores;
	OWN(freep) float *logits = calloc((size_t)batch_size * (size_t)labels, sizeof(*logits));
	int64_t start_us = clock_mono_us();

	if (scores_init(&scores, d, labels, label_smoothing) < 0 || !logits)
		return err_errno(reterr, ENOMEM, "evaluate");
	*ret = (struct evaluation){0};
	for (int64_t at = 0; at < d->rows; at += batch_size) {
		struct torch_batch b = {.ids = d->ids, .types = d->type_ids};
		struct torch_error te;
		int r;

		if (*w->stop)
			return err_set(reterr, ERR_CANCELLED,
				       "the job was stopped while it evaluated");
		b.rows = (int)(d->rows - at < batch_size ? d->rows - at : batch_size);
		b.starts = d->offsets + at;
		b.lengths = v->lengths + at;
		r = model_torch_error(torch_net_forward(net, &b, logits, &te), &te, reterr);
		if (r < 0)
			return err_ctx(reterr, r, "cannot evaluate the rows from %lld on",
				       (long long)at);
		r = check_finite(logits, (size_t)b.rows * (size_t)labels, labels, at, reterr);
		if (r < 0)
			return r;
		scores_add(&scores, logits, at, b.rows);
		report_progress(w->report, "evaluate", "rows", at + b.rows, d->rows);
		ret->batches++;
	}
	if (scores_values(&scores, &ret->values) < 0)
		return err_errno(reterr, ENOMEM, "evaluate");
	ret->seconds = (double)(clock_mono_us() - start_us) / (double)USEC_PER_SEC;
	return 0;
}

json_t *evaluation_json(const struct evaluation *e, double epoch)
{
	double seconds = e->seconds > 1e-9 ? e->seconds : 1e-9;
	json_t *j = json_object();

	if (isfinite(epoch))
		json_object_set_new(j, "epoch", json_any_number(epoch));
	for (size_t i = 0; i < metrics_all_n; i++) {
		char name[32];

		if (!metric_applies(&metrics_all[i], e->values.kind))
			continue;
		str_must_format(name, sizeof(name), "eval_%s", metrics_all[i].name);
		json_object_set_new(j, name,
				    json_any_number(metric_value(&metrics_all[i], &e->values)));
	}
	json_object_set_new(j, "eval_runtime", json_any_number(e->seconds));
	json_object_set_new(j, "eval_samples_per_second",
			    json_any_number((double)e->values.rows / seconds));
	json_object_set_new(j, "eval_steps_per_second",
			    json_any_number((double)e->batches / seconds));
	return j;
}

static int write_text(int work_at, const json_t *values, struct err *reterr)
{
	OWN(buf_done) struct buf b = BUF_INIT(RESULTS_MAX);
	OWN(json_decrefp) json_t *sorted = NULL;
	OWN(freep) char *text = json_text(values); /* sorts the keys */
	const char *key;
	json_t *value;
	int r = json_parse(text ? text : "", text ? strlen(text) : 0, &sorted, reterr);

	if (r < 0)
		return r;
	json_object_foreach(sorted, key, value) {
		char number[PY_FLOAT_LEN];
		double v;

		if (json_is_integer(value))
			buf_printf(&b, "%s = %lld\n", key, (long long)json_integer_value(value));
		else if (json_any_number_get(value, &v))
			buf_printf(&b, "%s = %s\n", key, py_float_repr(v, number));
	}
	if (!buf_ok(&b))
		return err_errno(reterr, ENOMEM, "write output/eval_results.txt");
	return file_write_atomic(work_at, "output/eval_results.txt", b.data, b.len, 0644, reterr);
}

int evaluation_write(int work_at, const json_t *values, struct err *reterr)
{
	OWN(freep) char *text = json_pretty(values);
	int r = dir_make(work_at, "output", 0755, reterr);

	if (r >= 0 && !text)
		r = err_errno(reterr, ENOMEM, "write output/metrics.json");
	if (r >= 0)
		r = file_write_atomic(work_at, "output/metrics.json", text, strlen(text), 0644,
				      reterr);
	return r < 0 ? r : write_text(work_at, values, reterr);
}
