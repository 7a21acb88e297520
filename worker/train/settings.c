/* SPDX-License-Identifier: MIT */
/*
 * Reads and checks each hyperparameter, derives steps and warm-up from the rows, and computes the
 * learning rate of a step.
 */
#include "worker/train/settings.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"

#include <math.h>
#include <string.h>

static int get_count(const json_t *j, const char *key, int64_t fallback, int64_t least,
		     int64_t most, int64_t *ret, struct err *reterr)
{
	const json_t *v = json_object_get(j, key);
	char field[ERR_FIELD_MAX] = "/hyperparameters";

	*ret = fallback;
	if (!v || json_is_null(v))
		return 0;
	json_pointer_add(field, sizeof(field), key);
	if (!json_is_integer(v) || json_integer_value(v) < least || json_integer_value(v) > most)
		return err_at(reterr, ERR_INVALID, field,
			      "%s must be a whole number from %lld to %lld", key, (long long)least,
			      (long long)most);
	*ret = json_integer_value(v);
	return 0;
}

static int get_number(const json_t *j, const char *key, double fallback, double above, double most,
		      double *ret, struct err *reterr)
{
	const json_t *v = json_object_get(j, key);
	char field[ERR_FIELD_MAX] = "/hyperparameters";

	*ret = fallback;
	if (!v || json_is_null(v))
		return 0;
	json_pointer_add(field, sizeof(field), key);
	*ret = json_number_value(v);
	if (!json_is_number(v) || !(*ret > above) || !(*ret <= most))
		return err_at(reterr, ERR_INVALID, field,
			      "%s must be a number %s %g and at most %g", key,
			      above < 0 ? "of at least" : "above", above < 0 ? 0 : above, most);
	return 0;
}

static int get_bf16(const json_t *j, enum train_bf16 *ret, struct err *reterr)
{
	const char *s = json_get_str(j, "bf16", "auto");

	*ret = TRAIN_BF16_AUTO;
	if (str_eq(s, "on"))
		*ret = TRAIN_BF16_ON;
	else if (str_eq(s, "off"))
		*ret = TRAIN_BF16_OFF;
	else if (!str_eq(s, "auto"))
		return err_at(reterr, ERR_INVALID, "/hyperparameters/bf16",
			      "bf16 must be \"auto\", \"on\" or \"off\", not \"%s\"", s);
	return 0;
}

const char *const train_schedule_names[] = {"linear", "cosine", "constant_with_warmup"};

static int get_schedule(const json_t *j, enum train_schedule *ret, struct err *reterr)
{
	const char *s = json_get_str(j, "lr_scheduler_type", train_schedule_names[TRAIN_LINEAR]);

	for (int i = 0; i < (int)ARRAY_LEN(train_schedule_names); i++) {
		if (str_eq(s, train_schedule_names[i])) {
			*ret = (enum train_schedule)i;
			return 0;
		}
	}
	return err_at(reterr, ERR_INVALID, "/hyperparameters/lr_scheduler_type",
		      "lr_scheduler_type must be \"linear\", \"cosine\" or "
		      "\"constant_with_warmup\", not \"%s\"",
		      s);
}

static int check_weights(const json_t *by_name, struct err *reterr)
{
	const char *name;
	json_t *weight;

	json_object_foreach((json_t *)by_name, name, weight) {
		double v = json_number_value(weight);
		char field[ERR_FIELD_MAX] = "/hyperparameters/class_weights";

		json_pointer_add(field, sizeof(field), name);
		if (!(v > 0 && v <= TRAIN_WEIGHT_MAX))
			return err_at(reterr, ERR_INVALID, field,
				      "the weight of class '%.80s' must be a number above 0 and at "
				      "most %g",
				      name, TRAIN_WEIGHT_MAX);
	}
	return 0;
}

static int get_class_weights(const json_t *j, struct train_settings *ret, struct err *reterr)
{
	const json_t *v = json_object_get(j, "class_weights");
	const char *s = json_get_str(j, "class_weights", "none");

	if (json_is_object(v)) {
		ret->class_weights = TRAIN_WEIGHTS_BY_NAME;
		ret->weights_by_name = v;
		return check_weights(v, reterr);
	}
	ret->class_weights = str_eq(s, "balanced") ? TRAIN_WEIGHTS_BALANCED : TRAIN_WEIGHTS_NONE;
	ret->weights_by_name = NULL;
	if (ret->class_weights == TRAIN_WEIGHTS_NONE && !str_eq(s, "none"))
		return err_at(reterr, ERR_INVALID, "/hyperparameters/class_weights",
			      "class_weights must be \"none\", \"balanced\" or an object with a "
			      "weight for each class, not \"%s\"",
			      s);
	return 0;
}

static int get_metric(const json_t *j, const struct metric **ret, struct err *reterr)
{
	const char *given = json_get_str(j, "metric_for_best_model", "loss");
	const char *s = str_starts(given, "eval_") ? given + strlen("eval_") : given;

	*ret = metric_find(s);
	if (*ret)
		return 0;
	return err_at(reterr, ERR_INVALID, "/hyperparameters/metric_for_best_model",
		      "metric_for_best_model must be \"loss\", \"accuracy\", \"f1\", "
		      "\"precision\" or \"recall\"; of a regression \"loss\", \"mse\", \"rmse\", "
		      "\"mae\", \"r2\", \"pearson\" or \"spearman\"; of several classes a row "
		      "\"loss\", \"accuracy\", \"f1_micro\", \"f1_macro\", \"precision_micro\", "
		      "\"recall_micro\", \"roc_auc_micro\" or \"roc_auc_macro\"; not \"%s\"",
		      given);
}

/* What says which evaluation is the best, and when to stop. */
static int get_best(const json_t *h, struct train_settings *ret, struct err *reterr)
{
	int r = get_metric(h, &ret->metric_for_best_model, reterr);

	ret->load_best_model_at_end = json_get_bool(h, "load_best_model_at_end", false);
	if (r >= 0 && ret->load_best_model_at_end && ret->save_steps == 0)
		return err_at(reterr, ERR_INVALID, "/hyperparameters/save_steps",
			      "load_best_model_at_end needs checkpoints: remove save_steps 0");
	return r;
}

static int get_numbers(const json_t *h, struct train_settings *ret, struct err *reterr)
{
	const struct {
		const char *key;
		double fallback, above, most;
		double *to;
	} numbers[] = {
		{"epochs", 3, 0, 1000, &ret->epochs},
		{"warmup_ratio", TRAIN_WARMUP_AUTO, -1e-300, 1, &ret->warmup_ratio},
		{"learning_rate", 5e-5, 0, 1, &ret->learning_rate},
		{"weight_decay", 0, -1e-300, 1, &ret->weight_decay},
		{"max_grad_norm", 1, -1e-300, 1e9, &ret->max_grad_norm},
		{"label_smoothing_factor", 0, -1e-300, 1, &ret->label_smoothing_factor},
		{"early_stopping_threshold", 0, -1e-300, 1e9, &ret->early_stopping_threshold},
	};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(numbers); i++)
		r = get_number(h, numbers[i].key, numbers[i].fallback, numbers[i].above,
			       numbers[i].most, numbers[i].to, reterr);
	return r;
}

static int does_not_apply(const char *key, const char *problem, struct err *reterr)
{
	char field[ERR_FIELD_MAX] = "/hyperparameters";

	json_pointer_add(field, sizeof(field), key);
	return err_at(reterr, ERR_INVALID, field, "%s %s; remove it", key, problem);
}

int train_settings_check(const struct train_settings *s, enum dataset_kind kind, struct err *reterr)
{
	static const char *const labels[] = {[DATASET_CLASSES] = "classes",
					     [DATASET_NUMBERS] = "numbers",
					     [DATASET_VECTORS] = "lists of classes"};
	char problem[128];

	str_must_format(problem, sizeof(problem), "needs one class a row, and the labels are %s",
			labels[kind]);
	if (kind != DATASET_CLASSES && s->class_weights != TRAIN_WEIGHTS_NONE)
		return does_not_apply("class_weights", problem, reterr);
	if (kind != DATASET_CLASSES && s->label_smoothing_factor > 0)
		return does_not_apply("label_smoothing_factor", problem, reterr);
	str_must_format(problem, sizeof(problem), "has no meaning if the labels are %s",
			labels[kind]);
	if (!metric_applies(s->metric_for_best_model, kind))
		return does_not_apply("metric_for_best_model", problem, reterr);
	return 0;
}

int train_settings_parse(const json_t *h, struct train_settings *ret, struct err *reterr)
{
	int64_t batch = 0, eval_batch = 0, accumulation = 0, frozen = 0;
	const struct {
		const char *key;
		int64_t fallback, least, most;
		int64_t *to;
	} counts[] = {
		{"train_batch_size", 32, 1, TRAIN_BATCH_MAX, &batch},
		{"eval_batch_size", 64, 1, TRAIN_BATCH_MAX, &eval_batch},
		{"gradient_accumulation_steps", 1, 1, TRAIN_BATCH_MAX, &accumulation},
		{"frozen_layers", TRAIN_FREEZE_NONE, 0, TRAIN_LAYERS_MAX, &frozen},
		{"save_total_limit", 2, 1, INT32_MAX, &ret->save_total_limit},
		{"early_stopping_patience", 0, 1, INT32_MAX, &ret->early_stopping_patience},
		{"warmup_steps", TRAIN_WARMUP_AUTO, 0, INT32_MAX, &ret->warmup_steps},
		{"max_steps", 0, 1, INT32_MAX, &ret->max_steps},
		{"seed", 42, 0, INT64_MAX / 2, &ret->seed},
		{"max_length", 0, 2, 1 << 20, &ret->max_length},
		{"logging_steps", 0, 0, INT32_MAX, &ret->logging_steps},
		{"eval_steps", 0, 0, INT32_MAX, &ret->eval_steps},
		{"save_steps", TRAIN_SAVE_EPOCHS, 0, INT32_MAX, &ret->save_steps},
	};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(counts); i++)
		r = get_count(h, counts[i].key, counts[i].fallback, counts[i].least, counts[i].most,
			      counts[i].to, reterr);
	if (r >= 0)
		r = get_numbers(h, ret, reterr);
	if (r >= 0)
		r = get_schedule(h, &ret->lr_scheduler_type, reterr);
	if (r >= 0)
		r = get_class_weights(h, ret, reterr);
	if (r >= 0)
		r = get_best(h, ret, reterr);
	if (r >= 0)
		r = get_bf16(h, &ret->bf16, reterr);
	if (r >= 0 && batch * accumulation > TRAIN_BATCH_MAX)
		return err_at(reterr, ERR_INVALID, "/hyperparameters/gradient_accumulation_steps",
			      "train_batch_size times gradient_accumulation_steps is %lld rows; an "
			      "optimiser step has at most %d",
			      (long long)(batch * accumulation), TRAIN_BATCH_MAX);
	ret->train_batch_size = (int)batch;
	ret->eval_batch_size = (int)eval_batch;
	ret->gradient_accumulation_steps = (int)accumulation;
	ret->frozen_layers = (int)frozen;
	return r;
}

static int64_t warmup_of(const struct train_settings *s)
{
	int64_t part = (s->total_steps + TRAIN_WARMUP_PART - 1) / TRAIN_WARMUP_PART;

	if (s->warmup_steps != TRAIN_WARMUP_AUTO)
		return s->warmup_steps;
	if (s->warmup_ratio >= 0)
		return (int64_t)ceil((double)s->total_steps * s->warmup_ratio);
	return part < TRAIN_WARMUP_STEPS ? part : TRAIN_WARMUP_STEPS;
}

void train_settings_fit(struct train_settings *s, int64_t rows)
{
	int64_t batches = (rows + s->train_batch_size - 1) / s->train_batch_size;
	int64_t accumulation = s->gradient_accumulation_steps;

	s->steps_per_epoch = (batches + accumulation - 1) / accumulation;
	s->total_steps = s->max_steps;
	if (!s->total_steps)
		s->total_steps = (int64_t)ceil(s->epochs * (double)s->steps_per_epoch);
	s->warmup_steps = warmup_of(s);
}

double train_learning_rate(const struct train_settings *s, int64_t k)
{
	int64_t rest = s->total_steps - k, span = s->total_steps - s->warmup_steps;
	double part = (double)(rest > 0 ? rest : 0) / (double)(span > 1 ? span : 1);

	if (k < s->warmup_steps)
		return s->learning_rate * (double)k / (double)s->warmup_steps;
	switch (s->lr_scheduler_type) {
	case TRAIN_LINEAR:
		return s->learning_rate * part;
	case TRAIN_COSINE:
		return s->learning_rate * 0.5 * (1 + cos(M_PI * (1 - part)));
	case TRAIN_CONSTANT_WITH_WARMUP:
		return s->learning_rate;
	}
	abort();
}
