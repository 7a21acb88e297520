/* SPDX-License-Identifier: MIT */
/* Metrics, hyperparameters and the learning rate. */
#include "base/own.h"
#include "base/str.h"
#include "worker/train/metrics.h"
#include "worker/train/settings.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void add(struct metrics *m, int classes, int predicted, int64_t label)
{
	float logits[4] = {0};

	assert_true(classes <= 4);
	logits[predicted] = 2;
	metrics_add(m, logits, label);
}

/* As torch.argmax on the CPU: the first of equals. */
static void test_equal_logits_mean_the_first_class(void **state)
{
	OWN(metrics_freep) struct metrics *m = metrics_new(3, 0);
	static const float equal[3] = {1, 1, 1};
	struct metrics_values v;

	metrics_add(m, equal, 0);
	metrics_values(m, &v);
	assert_true(fabs(v.accuracy - 1) < 1e-12);
}

static void test_binary(void **state)
{
	OWN(metrics_freep) struct metrics *m = metrics_new(2, 0);
	struct metrics_values v;

	/* 3 true positives, 1 false positive, 2 false negatives, 4 true negatives */
	for (int i = 0; i < 3; i++)
		add(m, 2, 1, 1);
	add(m, 2, 1, 0);
	add(m, 2, 0, 1);
	add(m, 2, 0, 1);
	for (int i = 0; i < 4; i++)
		add(m, 2, 0, 0);
	metrics_values(m, &v);
	assert_int_equal(v.rows, 10);
	assert_true(fabs(v.accuracy - 0.7) < 1e-12);
	assert_true(fabs(v.precision - 0.75) < 1e-12);
	assert_true(fabs(v.recall - 0.6) < 1e-12);
	assert_true(fabs(v.f1 - 2.0 / 3) < 1e-12);
	assert_true(fabs(v.loss - (log(1 + exp(-2.0)) + 0.3 * 2)) < 1e-9);
}

static void test_macro_leaves_out_absent_classes(void **state)
{
	OWN(metrics_freep) struct metrics *m = metrics_new(4, 0);
	struct metrics_values v;

	add(m, 4, 0, 0);
	add(m, 4, 1, 0);
	add(m, 4, 1, 1);
	add(m, 4, 2, 1); /* class 2 is predicted but never right; class 3 does not occur */
	metrics_values(m, &v);
	assert_true(fabs(v.precision - (1.0 + 0.5 + 0) / 3) < 1e-12);
	assert_true(fabs(v.recall - (0.5 + 0.5 + 0) / 3) < 1e-12);
	assert_true(fabs(v.f1 - (2.0 / 3 + 0.5 + 0) / 3) < 1e-12);
}

static void test_nothing_right_is_zero(void **state)
{
	OWN(metrics_freep) struct metrics *m = metrics_new(2, 0);
	struct metrics_values v;

	metrics_values(m, &v);
	assert_true(v.accuracy == 0 && v.f1 == 0 && v.loss == 0);
	add(m, 2, 0, 1);
	metrics_values(m, &v);
	assert_true(v.accuracy == 0 && v.precision == 0 && v.recall == 0 && v.f1 == 0);
}

static void test_large_logits(void **state)
{
	OWN(metrics_freep) struct metrics *m = metrics_new(2, 0);
	const float logits[] = {-3000, 5000};
	struct metrics_values v;

	metrics_add(m, logits, 0);
	metrics_values(m, &v);
	assert_true(fabs(v.loss - 8000) < 1e-6);
}

static int parse(const char *text, struct train_settings *s, struct err *e)
{
	OWN(json_decrefp) json_t *j = NULL;

	assert_int_equal(json_parse(text, strlen(text), &j, e), 0);
	return train_settings_parse(j, s, e);
}

static void test_defaults(void **state)
{
	struct train_settings s;
	struct err e = {0};

	assert_int_equal(parse("{}", &s, &e), 0);
	assert_true(s.epochs == 3 && s.learning_rate == 5e-5 && s.weight_decay == 0);
	assert_true(s.max_grad_norm == 1 && s.bf16 == TRAIN_BF16_AUTO);
	assert_int_equal(s.train_batch_size, 32);
	assert_int_equal(s.eval_batch_size, 64);
	assert_int_equal(s.warmup_steps, TRAIN_WARMUP_AUTO);
	assert_int_equal(s.seed, 42);
	assert_int_equal(s.save_steps, TRAIN_SAVE_EPOCHS);
	assert_int_equal(parse("{\"epochs\":0.5,\"weight_decay\":0,\"save_steps\":0}", &s, &e), 0);
	assert_int_equal(s.save_steps, 0);
	train_settings_fit(&s, 65);
	assert_int_equal(s.steps_per_epoch, 3);
	assert_int_equal(s.total_steps, 2);
	/* math.ceil(1.1 * 50), as Trainer computes it, is 56 */
	assert_int_equal(parse("{\"epochs\":1.1,\"train_batch_size\":1}", &s, &e), 0);
	train_settings_fit(&s, 50);
	assert_int_equal(s.total_steps, 56);
}

static void test_out_of_range(void **state)
{
	static const struct {
		const char *text, *field;
	} cases[] = {
		{"{\"epochs\":0}", "epochs"},
		{"{\"epochs\":1001}", "epochs"},
		{"{\"learning_rate\":0}", "learning_rate"},
		{"{\"learning_rate\":\"fast\"}", "learning_rate"},
		{"{\"learning_rate\":1.5}", "learning_rate"},
		{"{\"train_batch_size\":0}", "train_batch_size"},
		{"{\"train_batch_size\":65537}", "train_batch_size"},
		{"{\"eval_batch_size\":1.5}", "eval_batch_size"},
		{"{\"weight_decay\":-0.1}", "weight_decay"},
		{"{\"max_grad_norm\":-1}", "max_grad_norm"},
		{"{\"warmup_steps\":-1}", "warmup_steps"},
		{"{\"warmup_ratio\":-0.1}", "warmup_ratio"},
		{"{\"warmup_ratio\":1.1}", "warmup_ratio"},
		{"{\"max_length\":1}", "max_length"},
		{"{\"bf16\":\"maybe\"}", "bf16"},
		{"{\"max_steps\":0}", "max_steps"},
		{"{\"label_smoothing_factor\":-0.1}", "label_smoothing_factor"},
		{"{\"label_smoothing_factor\":1.1}", "label_smoothing_factor"},
		{"{\"lr_scheduler_type\":\"polynomial\"}", "lr_scheduler_type"},
		{"{\"gradient_accumulation_steps\":0}", "gradient_accumulation_steps"},
		{"{\"gradient_accumulation_steps\":2049}", "gradient_accumulation_steps"},
		{"{\"class_weights\":\"few\"}", "class_weights"},
		{"{\"metric_for_best_model\":\"eval_bleu\"}", "metric_for_best_model"},
		{"{\"early_stopping_patience\":0}", "early_stopping_patience"},
		{"{\"early_stopping_threshold\":-1}", "early_stopping_threshold"},
		{"{\"save_total_limit\":0}", "save_total_limit"},
		{"{\"load_best_model_at_end\":true,\"save_steps\":0}", "save_steps"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct train_settings s;
		struct err e = {0};

		if (parse(cases[i].text, &s, &e) != -ERR_INVALID)
			fail_msg("%s was taken", cases[i].text);
		assert_non_null(strstr(e.msg, cases[i].field));
		assert_true(str_ends(e.field, cases[i].field));
	}
}

/* Of 45, 4,990, 4,991 and 9,000 steps: a tenth, rounded up, and at most the reference's 500. */
static void test_warmup_of_the_run(void **state)
{
	static const struct {
		const char *text;
		int64_t rows, warmup;
	} cases[] = {
		{"{}", 45, 5},
		{"{}", 4990, 499},
		{"{}", 4991, 500},
		{"{}", 9000, 500},
		{"{\"warmup_steps\":500}", 45, 500},
		{"{\"warmup_steps\":0}", 45, 0},
		{"{\"warmup_ratio\":0.06}", 45, 3}, /* ceil(2.7) */
		{"{\"warmup_ratio\":0}", 45, 0},
		{"{\"warmup_ratio\":1}", 45, 45},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct train_settings s;
		struct err e = {0};

		assert_int_equal(parse(cases[i].text, &s, &e), 0);
		s.train_batch_size = 1;
		s.epochs = 1;
		train_settings_fit(&s, cases[i].rows);
		assert_int_equal(s.warmup_steps, cases[i].warmup);
	}
}

/* T = 16 steps, W = 4: the values of transformers' get_linear_schedule_with_warmup. */
static void test_schedule(void **state)
{
	struct train_settings s = {.total_steps = 16, .warmup_steps = 4, .learning_rate = 1};

	assert_true(train_learning_rate(&s, 0) == 0);
	assert_true(fabs(train_learning_rate(&s, 3) - 0.75) < 1e-12);
	assert_true(train_learning_rate(&s, 4) == 1);
	assert_true(fabs(train_learning_rate(&s, 10) - 0.5) < 1e-12);
	assert_true(train_learning_rate(&s, 16) == 0);
	s.warmup_steps = 0;
	assert_true(train_learning_rate(&s, 0) == 1);
	s.warmup_steps = 500; /* longer than the run: climbs all the way */
	assert_true(fabs(train_learning_rate(&s, 15) - 0.03) < 1e-12);
}

/* The values of transformers' cosine and constant schedules with a warm-up. */
static void test_other_schedules(void **state)
{
	struct train_settings s = {.total_steps = 16, .warmup_steps = 4, .learning_rate = 1};

	s.lr_scheduler_type = TRAIN_COSINE;
	assert_true(fabs(train_learning_rate(&s, 3) - 0.75) < 1e-12);
	assert_true(train_learning_rate(&s, 4) == 1);
	assert_true(fabs(train_learning_rate(&s, 7) - (0.5 + sqrt(0.125))) < 1e-12);
	assert_true(fabs(train_learning_rate(&s, 10) - 0.5) < 1e-12);
	assert_true(train_learning_rate(&s, 16) < 1e-12);
	s.lr_scheduler_type = TRAIN_CONSTANT_WITH_WARMUP;
	assert_true(fabs(train_learning_rate(&s, 3) - 0.75) < 1e-12);
	assert_true(train_learning_rate(&s, 15) == 1);
}

static void test_max_steps_replaces_epochs(void **state)
{
	struct train_settings s;
	struct err e = {0};

	assert_int_equal(parse("{\"max_steps\":7,\"train_batch_size\":32}", &s, &e), 0);
	train_settings_fit(&s, 65);
	assert_int_equal(s.steps_per_epoch, 3);
	assert_int_equal(s.total_steps, 7);
	assert_int_equal(s.warmup_steps, 1);
}

/* The undefined values of scikit-learn and scipy: constant targets, one row. */
static void test_numbers_without_a_spread(void **state)
{
	OWN(regression_freep) struct regression *g = regression_new(3);
	OWN(regression_freep) struct regression *one = regression_new(1);
	struct metrics_values v;

	for (int i = 0; i < 3; i++)
		regression_add(g, (float)i, 1);
	assert_int_equal(regression_values(g, &v), 0);
	assert_true(fabs(v.mse - 2.0 / 3) < 1e-12 && fabs(v.mae - 2.0 / 3) < 1e-12);
	assert_true(v.r2 == 0 && isnan(v.pearson) && isnan(v.spearman));
	regression_add(one, 2, 2);
	assert_int_equal(regression_values(one, &v), 0);
	assert_true(v.mse == 0 && isnan(v.r2) && isnan(v.pearson));
}

/* A class that no row has, and one that all rows have: a division by zero is 0, there is no ROC. */
static void test_classes_that_never_or_always_apply(void **state)
{
	static const float logits[3][3] = {{1, -1, 2}, {-1, -2, 1}, {1, -3, -1}};
	static const float targets[3][3] = {{1, 0, 1}, {0, 0, 1}, {0, 0, 1}};
	OWN(multi_label_freep) struct multi_label *m = multi_label_new(3, 3);
	struct metrics_values v;

	for (int i = 0; i < 3; i++)
		multi_label_add(m, logits[i], targets[i]);
	assert_int_equal(multi_label_values(m, &v), 0);
	assert_true(v.kind == DATASET_VECTORS && v.rows == 3);
	assert_true(fabs(v.accuracy - 2.0 / 3) < 1e-12);
	assert_true(fabs(v.f1_macro - (2.0 / 3 + 0 + 0.8) / 3) < 1e-12);
	assert_true(fabs(v.f1_micro - 2 * 3.0 / 8) < 1e-12);
	assert_true(fabs(v.precision_micro - 3.0 / 4) < 1e-12);
	assert_true(fabs(v.recall_micro - 3.0 / 4) < 1e-12);
	assert_true(isnan(v.roc_auc_macro) && v.roc_auc_micro > 0.7 && v.roc_auc_micro < 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_logits_mean_the_first_class),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_macro_leaves_out_absent_classes),
		cmocka_unit_test(test_nothing_right_is_zero),
		cmocka_unit_test(test_large_logits),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_warmup_of_the_run),
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_other_schedules),
		cmocka_unit_test(test_max_steps_replaces_epochs),
		cmocka_unit_test(test_numbers_without_a_spread),
		cmocka_unit_test(test_classes_that_never_or_always_apply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
