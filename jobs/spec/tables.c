/* SPDX-License-Identifier: MIT */
/* The tables of nested objects: the fields of "retry", "local", "dataset", … */
#include "jobs/spec/tables.h"

#include "jobs/spec/parse.h"

#define SEED_MAX     4294967295.0
#define ROWS_MAX     1e9
#define NO_LABEL_MAX 1e9
#define SECONDS_YEAR (366.0 * 86400)

static const char *const words_when[] = {"success", "failure", "always", NULL};

static const struct spec_field need_fields[] = {
	{.name = "job", .type = FIELD_NAME, .flags = SPEC_REQUIRED, .help = "A job of the run."},
	{.name = "when",
	 .type = FIELD_ENUM,
	 .words = words_when,
	 .help = "How that job must have ended; the default is success, and always for "
		 "delete-endpoint of an endpoint of the same run."},
};
const struct spec_table spec_need_table = TABLE("a need", need_fields);

static const struct spec_field item_reason = {
	.name = "reason code", .type = FIELD_STRING, .min = 1, .max = 64, .check = check_reason};

static const struct spec_field retry_fields[] = {
	{.name = "max",
	 .type = FIELD_INT,
	 .min = 0,
	 .max = 10,
	 .fallback = "2",
	 .help = "Largest number of automatic retries."},
	{.name = "on",
	 .type = FIELD_LIST,
	 .flags = SPEC_UNIQUE,
	 .max = 32,
	 .item = &item_reason,
	 .help = "Reason codes after which the job is tried again."},
};
const struct spec_table spec_retry_table = TABLE("'retry'", retry_fields);

static const struct spec_field metric_fields[] = {
	{.name = "name",
	 .type = FIELD_STRING,
	 .flags = SPEC_REQUIRED,
	 .min = 1,
	 .max = 255,
	 .help = "Name of the metric."},
	{.name = "regex",
	 .type = FIELD_STRING,
	 .flags = SPEC_REQUIRED,
	 .min = 1,
	 .max = 500,
	 .check = check_regex,
	 .help = "Regular expression (PCRE2) over the lines of the log; its first group is the "
		 "value."},
};
const struct spec_table spec_metric_table = TABLE("a metric definition", metric_fields);

static const struct spec_field file_fields[] = {
	{.name = "path",
	 .type = FIELD_PATH,
	 .flags = SPEC_REQUIRED,
	 .accepts = ROLE_DATASET | ROLE_DIRECTORY,
	 .use = SPEC_PATH_DATASET,
	 .remote = REMOTE_S3,
	 .help = "CSV, JSONL or Parquet, also as .gz; a folder; a saved data set; here or s3://…."},
};
static const struct spec_table file_table = TABLE("a split", file_fields);
static const struct spec_field item_label = {
	.name = "label", .type = FIELD_STRING, .min = 1, .max = 256};

static const char *const words_problem[] = {"single_label_classification",
					    "multi_label_classification", "regression", NULL};
static const char *const words_quoting[] = {"minimal", "none", NULL};
static const char *const words_on_bad_row[] = {"refuse", "skip", NULL};

static const struct spec_field labels_model = {.name = "labels",
					       .type = FIELD_PATH,
					       .accepts = ROLE_MODEL | ROLE_DIRECTORY,
					       .use = SPEC_PATH_MODEL,
					       .remote = REMOTE_S3};

static const struct spec_field dataset_fields[] = {
	{.name = "path",
	 .type = FIELD_PATH,
	 .accepts = ROLE_DATASET | ROLE_DIRECTORY,
	 .use = SPEC_PATH_DATASET,
	 .help = "One source to split: CSV, JSONL or Parquet, also as .gz; a folder; a saved data "
		 "set."},
	{.name = "train",
	 .type = FIELD_OBJECT,
	 .table = &file_table,
	 .help = "The training rows, when the two splits have files of their own."},
	{.name = "test", .type = FIELD_OBJECT, .table = &file_table, .help = "The test rows."},
	{.name = "text_column",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 256,
	 .fallback = "\"text\"",
	 .help = "Column with the text."},
	{.name = "text_pair_column",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 256,
	 .help = "Column with the second text of a pair."},
	{.name = "label_column",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 256,
	 .fallback = "\"label\"",
	 .help = "Column with the label."},
	{.name = "problem_type",
	 .type = FIELD_ENUM,
	 .words = words_problem,
	 .help = "single_label_classification: the label is a class (the default); "
		 "multi_label_classification: a list of classes; regression: a number."},
	{.name = "labels",
	 .type = FIELD_LIST,
	 .flags = SPEC_UNIQUE,
	 .min = 2,
	 .max = 10000,
	 .item = &item_label,
	 .text = &labels_model,
	 .help = "The labels in the order of their ids, or the model whose labels they are; as "
		 "found in the data when left out."},
	{.name = "delimiter",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 8,
	 .check = check_delimiter,
	 .help = "Character between two columns of a CSV file; found in the header when left out."},
	{.name = "quoting",
	 .type = FIELD_ENUM,
	 .words = words_quoting,
	 .help = "minimal: quotes stand around texts of a CSV file that need them (the default); "
		 "none: quotes are plain characters."},
	{.name = "no_label",
	 .type = FIELD_INT,
	 .min = -NO_LABEL_MAX,
	 .max = NO_LABEL_MAX,
	 .help = "Number in label_column that means that the row has no label, such as -1."},
	{.name = "on_bad_row",
	 .type = FIELD_ENUM,
	 .words = words_on_bad_row,
	 .help = "refuse: a row without a label or text ends the job; skip: such rows are left out "
		 "and counted (the default for data sets of the hub)."},
	{.name = "train_rows",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = ROWS_MAX,
	 .help = "Rows of the training split."},
	{.name = "test_rows",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = ROWS_MAX,
	 .help = "Rows of the test split."},
	{.name = "seed",
	 .type = FIELD_INT,
	 .min = 0,
	 .max = SEED_MAX,
	 .fallback = "42",
	 .help = "Seed of the choice of rows."},
	{.name = "test_split",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 63,
	 .help = "Split to test on, if the source has several; test when left out, or validation "
		 "if no row of test has a label."},
	{.name = "s3",
	 .type = FIELD_PATH,
	 .remote = REMOTE_S3 | REMOTE_ONLY,
	 .help = "One source to split, as path, but in S3: s3://bucket/key, or …/ of a folder."},
	{.name = "url",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 2048,
	 .check = check_url,
	 .help = "One source to split, from a web server: https://… or http://…."},
	{.name = "sha256",
	 .type = FIELD_STRING,
	 .max = 64,
	 .check = check_sha256,
	 .help = "Checksum of the file at url; needed with url."},
	{.name = "hub",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 96,
	 .check = check_hub_id,
	 .help = "A data set of the Hugging Face hub, such as imdb or stanfordnlp/imdb."},
	{.name = "config",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 256,
	 .help = "Configuration of the data set, of the hub or a folder, if it has several."},
	{.name = "revision",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 256,
	 .check = check_revision,
	 .help = "Branch, tag or commit of the hub's data set; its main branch when left out."},
	{.name = "split",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 256,
	 .help = "Split of the hub's data set to divide into training and test rows; its train and "
		 "test when left out."},
};
const struct spec_table spec_dataset_table = TABLE("'dataset'", dataset_fields);

static const struct spec_field hub_model_fields[] = {
	{.name = "hub",
	 .type = FIELD_STRING,
	 .flags = SPEC_REQUIRED,
	 .min = 1,
	 .max = 96,
	 .check = check_hub_id,
	 .help = "A model of the Hugging Face hub, also where a directory has the same name."},
	{.name = "revision",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 256,
	 .check = check_revision,
	 .help = "A branch, tag or commit; its main branch when left out."},
};
const struct spec_table spec_hub_model_table = TABLE("a model of the hub", hub_model_fields);

static const struct spec_field train_channels_fields[] = {
	{.name = "train",
	 .type = FIELD_PATH,
	 .flags = SPEC_REQUIRED,
	 .accepts = ROLE_DATASET | ROLE_DIRECTORY,
	 .use = SPEC_PATH_SAVED,
	 .remote = REMOTE_S3,
	 .help = "The rows to train on, such as ${prep.train}."},
	{.name = "test",
	 .type = FIELD_PATH,
	 .accepts = ROLE_DATASET | ROLE_DIRECTORY,
	 .use = SPEC_PATH_SAVED,
	 .remote = REMOTE_S3,
	 .help = "The rows to evaluate on, such as ${prep.test}."},
};
const struct spec_table spec_train_channels_table = TABLE("'channels'", train_channels_fields);

static const char *const words_schedule[] = {"linear", "cosine", "constant_with_warmup", NULL};
static const char *const words_weights[] = {"none", "balanced", NULL};
static const char *const words_metric[] = {"loss",
					   "accuracy",
					   "f1",
					   "precision",
					   "recall",
					   "mse",
					   "rmse",
					   "mae",
					   "r2",
					   "pearson",
					   "spearman",
					   "f1_micro",
					   "f1_macro",
					   "precision_micro",
					   "recall_micro",
					   "roc_auc_micro",
					   "roc_auc_macro",
					   "eval_loss",
					   "eval_accuracy",
					   "eval_f1",
					   "eval_precision",
					   "eval_recall",
					   "eval_mse",
					   "eval_rmse",
					   "eval_mae",
					   "eval_r2",
					   "eval_pearson",
					   "eval_spearman",
					   "eval_f1_micro",
					   "eval_f1_macro",
					   "eval_precision_micro",
					   "eval_recall_micro",
					   "eval_roc_auc_micro",
					   "eval_roc_auc_macro",
					   NULL};
static const char *const words_bf16[] = {"auto", "on", "off", NULL};

static const struct spec_field class_weights_word = {
	.name = "class_weights", .type = FIELD_ENUM, .words = words_weights};
static const struct spec_field item_weight = {
	.name = "weight", .type = FIELD_NUMBER, .flags = SPEC_ABOVE_MIN, .max = 1e6};

static const struct spec_field hyperparameters_fields[] = {
	{.name = "epochs",
	 .type = FIELD_NUMBER,
	 .flags = SPEC_ABOVE_MIN,
	 .max = 1000,
	 .fallback = "3",
	 .help = "Passes over the training rows."},
	{.name = "max_steps",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = INT32_MAX,
	 .help = "Optimiser steps of the run, instead of epochs."},
	{.name = "train_batch_size",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 65536,
	 .fallback = "32",
	 .help = "Rows in a batch; an optimiser step has gradient_accumulation_steps of them."},
	{.name = "gradient_accumulation_steps",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 65536,
	 .fallback = "1",
	 .help = "Batches in one optimiser step, at most 65536 rows in all; the loss is the mean "
		 "of theirs."},
	{.name = "eval_batch_size",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 65536,
	 .fallback = "64",
	 .help = "Rows in a batch of the evaluation."},
	{.name = "warmup_steps",
	 .type = FIELD_INT,
	 .min = 0,
	 .max = 1e9,
	 .help = "Steps in which the learning rate rises from 0; without warmup_steps and "
		 "warmup_ratio 500 or a tenth of the run, whichever is less. The result has the "
		 "number."},
	{.name = "warmup_ratio",
	 .type = FIELD_NUMBER,
	 .min = 0,
	 .max = 1,
	 .help = "Warm-up as a part of all steps, rounded up; instead of warmup_steps."},
	{.name = "learning_rate",
	 .type = FIELD_NUMBER,
	 .flags = SPEC_ABOVE_MIN,
	 .max = 1,
	 .fallback = "5e-5",
	 .help = "Peak learning rate of AdamW."},
	{.name = "lr_scheduler_type",
	 .type = FIELD_ENUM,
	 .words = words_schedule,
	 .fallback = "\"linear\"",
	 .help = "The learning rate after the warm-up: it falls to 0 linearly or along half a "
		 "cosine, or stays."},
	{.name = "seed",
	 .type = FIELD_INT,
	 .min = 0,
	 .max = SEED_MAX,
	 .fallback = "42",
	 .help = "Seed of the classification head, the order of rows and dropout."},
	{.name = "max_length",
	 .type = FIELD_INT,
	 .min = 2,
	 .max = 1 << 20,
	 .help = "Rows are cut to this many tokens; as in the data when left out."},
	{.name = "weight_decay",
	 .type = FIELD_NUMBER,
	 .min = 0,
	 .max = 1,
	 .fallback = "0.0",
	 .help = "Weight decay of AdamW."},
	{.name = "max_grad_norm",
	 .type = FIELD_NUMBER,
	 .min = 0,
	 .max = 1e9,
	 .fallback = "1.0",
	 .help = "Gradients are clipped to this norm; 0: no clipping."},
	{.name = "label_smoothing_factor",
	 .type = FIELD_NUMBER,
	 .min = 0,
	 .max = 1,
	 .fallback = "0.0",
	 .help = "This part of each row's label is spread over all labels; eval_loss likewise."},
	{.name = "class_weights",
	 .type = FIELD_MAP,
	 .min = 2,
	 .max = 10000,
	 .item = &item_weight,
	 .text = &class_weights_word,
	 .fallback = "\"none\"",
	 .help = "A weight in the loss for each class, by its name; or balanced: each class counts "
		 "alike, however many rows it has, as in scikit-learn; eval_loss does not "
		 "change."},
	{.name = "frozen_layers",
	 .type = FIELD_INT,
	 .min = 0,
	 .max = 1000,
	 .help = "The embeddings and this many of the encoder's first layers are not trained; 0: "
		 "the embeddings; when left out, all is trained."},
	{.name = "bf16",
	 .type = FIELD_ENUM,
	 .words = words_bf16,
	 .fallback = "\"auto\"",
	 .help = "Compute in bfloat16; auto: if the hardware is good at it."},
	{.name = "logging_steps",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 1e9,
	 .help = "Steps between two points of the metrics; about 50 points a run when left out."},
	{.name = "eval_steps",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 1e9,
	 .help = "Steps between two evaluations, besides the one after each epoch."},
	{.name = "save_steps",
	 .type = FIELD_INT,
	 .min = 0,
	 .max = 1e9,
	 .help = "Steps between two checkpoints; after each epoch when left out; 0: none."},
	{.name = "save_total_limit",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 1e9,
	 .fallback = "2",
	 .help = "The newest checkpoints that are kept, besides the best one if it is wanted."},
	{.name = "load_best_model_at_end",
	 .type = FIELD_BOOL,
	 .fallback = "false",
	 .help = "The result is the model of the best evaluation, not the last one; each "
		 "evaluation that is the best so far leaves a checkpoint."},
	{.name = "metric_for_best_model",
	 .type = FIELD_ENUM,
	 .words = words_metric,
	 .fallback = "\"loss\"",
	 .help = "What makes an evaluation the best: the least loss, mse, rmse or mae, else the "
		 "greatest value. accuracy to recall are of classes, mse to spearman of a "
		 "regression, accuracy and f1_micro to roc_auc_macro of several classes a row."},
	{.name = "early_stopping_patience",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 1e9,
	 .help = "The training ends after this many evaluations in a row that are not better than "
		 "the best one."},
	{.name = "early_stopping_threshold",
	 .type = FIELD_NUMBER,
	 .min = 0,
	 .max = 1e9,
	 .help = "Better by no more than this does not count for early_stopping_patience; 0 when "
		 "left out."},
};
const struct spec_table spec_hyperparameters_table =
	TABLE("'hyperparameters'", hyperparameters_fields);

static const struct spec_field lease_fields[] = {
	{.name = "ttl",
	 .type = FIELD_DURATION,
	 .min = 1,
	 .max = SECONDS_YEAR,
	 .help = "The endpoint is deleted this long after it came in service, unless renewed."},
	{.name = "idle",
	 .type = FIELD_DURATION,
	 .min = 1,
	 .max = SECONDS_YEAR,
	 .help = "The endpoint is deleted after this time without a request."},
};
const struct spec_table spec_lease_table = TABLE("'lease'", lease_fields);

static const char *const words_function[] = {"softmax", "sigmoid", "none", NULL};

static const struct spec_field parameters_fields[] = {
	{.name = "top_k",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 10000,
	 .help = "How many labels are answered, best first."},
	{.name = "function_to_apply",
	 .type = FIELD_ENUM,
	 .words = words_function,
	 .help = "How scores are made from the model's outputs."},
	{.name = "truncation", .type = FIELD_BOOL, .help = "Cut texts that are too long."},
	{.name = "max_length",
	 .type = FIELD_INT,
	 .min = 2,
	 .max = 1 << 20,
	 .help = "Cut texts to this many tokens."},
};
const struct spec_table spec_parameters_table = TABLE("'parameters'", parameters_fields);
