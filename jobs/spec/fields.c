/* SPDX-License-Identifier: MIT */
/*
 * The tables of a job's own fields and of the fields that all kinds share; spec/tables.c has the
 * tables of nested objects. The order of the rows is the order in documentation and messages.
 */
#include "jobs/spec/fields.h"

#include "base/own.h"
#include "base/str.h"
#include "jobs/spec/parse.h"
#include "jobs/spec/tables.h"

#define SECONDS_YEAR (366.0 * 86400)

enum {
	PREPROCESS = SPEC_MODE(JOB_PREPROCESS),
	TRAIN = SPEC_MODE(JOB_TRAIN),
	EVALUATE = SPEC_MODE(JOB_EVALUATE),
	DEPLOY = SPEC_MODE(JOB_DEPLOY),
	PREDICT = SPEC_MODE(JOB_PREDICT),
	DELETE_ENDPOINT = SPEC_MODE(JOB_DELETE_ENDPOINT),
	UPLOAD = SPEC_MODE(JOB_UPLOAD),
	DOWNLOAD = SPEC_MODE(JOB_DOWNLOAD),
	SCRIPTS = SPEC_MODE(JOB_SCRIPT) | SPEC_TRAIN_SCRIPT,
	ENDPOINTS = DEPLOY | PREDICT | DELETE_ENDPOINT,
	TIMED = PREPROCESS | TRAIN | EVALUATE | UPLOAD | DOWNLOAD | SCRIPTS,
	PROCESSES = PREPROCESS | TRAIN | EVALUATE | DEPLOY | SCRIPTS,
};

/* Roles of outputs with files to read. */
#define ROLES_DATA   (ROLE_DATASET | ROLE_DIRECTORY)
#define ROLES_INPUT  (ROLE_DATASET | ROLE_MODEL | ROLE_DIRECTORY)
#define REMOTE_MODEL (REMOTE_S3 | REMOTE_HUB | REMOTE_JOB)

static const char *const words_kind[] = {
	"preprocess",	   "train",  "evaluate", "deploy",   "predict",
	"delete-endpoint", "script", "upload",	 "download", NULL};
static const char *const words_target[] = {"local", "sagemaker", NULL};
static const char *const words_padding[] = {"none", "max_length", NULL};
static const char *const words_on_existing[] = {"fail", "update", NULL};
static const char *const words_if_exists[] = {"skip_same", "overwrite", NULL};

static const struct spec_field item_tag = {
	.name = "tag", .type = FIELD_STRING, .max = SPEC_TAG_MAX};
static const struct spec_field item_variable = {
	.name = "variable", .type = FIELD_STRING, .max = 4096};
static const struct spec_field item_need = {
	.name = "need", .type = FIELD_OBJECT, .flags = SPEC_SHORT, .table = &spec_need_table};
static const struct spec_field item_metric = {
	.name = "metric definition", .type = FIELD_OBJECT, .table = &spec_metric_table};
static const struct spec_field item_channel = {.name = "channel",
					       .type = FIELD_PATH,
					       .accepts = ROLES_INPUT,
					       .use = SPEC_PATH_DIRECTORY,
					       .remote = REMOTE_S3,
					       .help = "A directory, s3://…, or a reference."};
static const struct spec_field item_glob = {
	.name = "pattern", .type = FIELD_STRING, .min = 1, .max = 256, .check = check_glob};
static const struct spec_field item_value = {
	.name = "hyperparameter", .type = FIELD_ANY, .max = 2500};

static const struct spec_field item_class = {
	.name = "class of the model", .type = FIELD_STRING, .min = 1, .max = 256};

static const struct spec_field job_fields[] = {
	{.name = "name",
	 .type = FIELD_NAME,
	 .help = "Name of the job, unique in its run; the kind when it is left out."},
	{.name = "kind",
	 .type = FIELD_ENUM,
	 .flags = SPEC_REQUIRED,
	 .words = words_kind,
	 .help = "What the job does."},
	{.name = "target",
	 .type = FIELD_ENUM,
	 .words = words_target,
	 .fallback = "\"local\"",
	 .help = "Where the job runs."},
	{.name = "needs",
	 .type = FIELD_LIST,
	 .max = SPEC_NEEDS_MAX,
	 .item = &item_need,
	 .help = "Jobs of the run that must have ended first, besides those it refers to."},
	{.name = "priority",
	 .type = FIELD_INT,
	 .min = -SPEC_PRIORITY_MAX,
	 .max = SPEC_PRIORITY_MAX,
	 .help = "Higher starts first; the run's priority when it is left out."},
	{.name = "held",
	 .type = FIELD_BOOL,
	 .fallback = "false",
	 .help = "Do not start until the job is released."},
	{.name = "tags",
	 .type = FIELD_MAP,
	 .max = SPEC_TAGS_MAX,
	 .item = &item_tag,
	 .check = check_tags,
	 .help = "Names and texts of your own."},
	{.name = "environment",
	 .modes = PROCESSES,
	 .type = FIELD_MAP,
	 .max = 100,
	 .item = &item_variable,
	 .check = check_environment,
	 .help = "Variables of the job's process; it inherits none from the daemon."},
	{.name = "max_runtime",
	 .modes = TIMED,
	 .type = FIELD_DURATION,
	 .min = 1,
	 .max = SECONDS_YEAR,
	 .help = "The job is stopped after this time."},
	{.name = "max_runtime",
	 .modes = ENDPOINTS,
	 .type = FIELD_LATER,
	 .help = "remove it: an endpoint has a time to start in (endpoint.start_timeout of the "
		 "configuration) and a lease, a request its own time"},
	{.name = "retry",
	 .type = FIELD_OBJECT,
	 .table = &spec_retry_table,
	 .fallback = "{}",
	 .help = "Automatic retries."},
	{.name = "metric_definitions",
	 .modes = SCRIPTS,
	 .type = FIELD_LIST,
	 .max = 40,
	 .item = &item_metric,
	 .help = "Metrics to read from the log of a script."},
	{.name = "local",
	 .type = FIELD_OBJECT,
	 .table = &spec_local_table,
	 .fallback = "{}",
	 .help = "What the job gets on this machine."},
	{.name = "sagemaker",
	 .type = FIELD_OBJECT,
	 .table = &spec_sagemaker_table,
	 .help = "What the job gets on Amazon SageMaker; checked, and unused on target local."},
	{.name = "checkpoint",
	 .modes = TRAIN | SCRIPTS,
	 .type = FIELD_OBJECT,
	 .table = &spec_checkpoint_table,
	 .help = "How many checkpoints of a script stay, and where those of a job on SageMaker "
		 "go."},
	{.name = "keep_checkpoints",
	 .modes = TRAIN,
	 .type = FIELD_BOOL,
	 .fallback = "false",
	 .help = "Keep the checkpoints of a training here that has succeeded; else they are "
		 "removed "
		 "then."},
	{.name = "keep_checkpoints",
	 .modes = SCRIPTS,
	 .type = FIELD_LATER,
	 .help = "remove it: checkpoints of a script are never removed by themselves; "
		 "checkpoint.keep_last thins them"},

	{.name = "dataset",
	 .modes = PREPROCESS,
	 .type = FIELD_OBJECT,
	 .flags = SPEC_REQUIRED,
	 .table = &spec_dataset_table,
	 .help = "The texts and labels."},
	{.name = "model",
	 .modes = PREPROCESS,
	 .type = FIELD_PATH,
	 .flags = SPEC_REQUIRED,
	 .accepts = ROLE_MODEL | ROLE_DIRECTORY,
	 .use = SPEC_PATH_MODEL,
	 .remote = REMOTE_MODEL,
	 .table = &spec_hub_model_table,
	 .help = "The model whose tokeniser is used; as below."},
	{.name = "max_length",
	 .modes = PREPROCESS,
	 .type = FIELD_INT,
	 .min = 2,
	 .max = 1 << 20,
	 .help = "Longer texts are cut to this many tokens; the model's own limit when left out."},
	{.name = "padding",
	 .modes = PREPROCESS,
	 .type = FIELD_ENUM,
	 .words = words_padding,
	 .fallback = "\"none\"",
	 .help = "Fill every row up to max_length, or not."},
	{.name = "output",
	 .modes = PREPROCESS,
	 .type = FIELD_PATH,
	 .use = SPEC_PATH_OUTPUT,
	 .remote = REMOTE_S3,
	 .help = "s3://bucket/prefix/ or a directory that gets train and test; the job's own when "
		 "left out."},
	{.name = "output",
	 .modes = TRAIN | SCRIPTS,
	 .type = FIELD_PATH,
	 .remote = REMOTE_S3 | REMOTE_ONLY,
	 .help = "s3://bucket/prefix/ that gets the model and the output; the job's own place when "
		 "left out."},

	{.name = "model",
	 .modes = TRAIN | EVALUATE | DEPLOY,
	 .type = FIELD_PATH,
	 .flags = SPEC_REQUIRED,
	 .accepts = ROLE_MODEL | ROLE_DIRECTORY,
	 .use = SPEC_PATH_MODEL,
	 .remote = REMOTE_MODEL,
	 .table = &spec_hub_model_table,
	 .help = "A model directory, a registered name, a reference such as ${train.model}, an "
		 "s3:// prefix or model.tar.gz, {\"training_job\": name}, a name on the hub, or "
		 "{\"hub\": name, \"revision\": …}."},
	{.name = "model",
	 .modes = SCRIPTS,
	 .type = FIELD_PATH,
	 .accepts = ROLE_MODEL | ROLE_DIRECTORY,
	 .use = SPEC_PATH_MODEL,
	 .remote = REMOTE_MODEL,
	 .table = &spec_hub_model_table,
	 .help = "Handed to the script as the channel 'model'."},
	{.name = "entry_point",
	 .modes = SCRIPTS,
	 .type = FIELD_STRING,
	 .flags = SPEC_REQUIRED,
	 .min = 1,
	 .max = SPEC_PATH_MAX,
	 .check = check_entry_point,
	 .help = "The script, relative to source_dir."},
	{.name = "source_dir",
	 .modes = SCRIPTS,
	 .type = FIELD_PATH,
	 .flags = SPEC_REQUIRED,
	 .use = SPEC_PATH_SOURCE_DIR,
	 .help = "Directory with the script and what it needs; copied when the job is submitted."},
	{.name = "channels",
	 .modes = TRAIN,
	 .type = FIELD_OBJECT,
	 .flags = SPEC_REQUIRED,
	 .table = &spec_train_channels_table,
	 .help = "The tokenised data sets."},
	{.name = "channels",
	 .modes = SCRIPTS,
	 .type = FIELD_MAP,
	 .max = 20,
	 .item = &item_channel,
	 .check = check_channels,
	 .help = "Named input directories of the script (SM_CHANNEL_NAME)."},
	{.name = "hyperparameters",
	 .modes = TRAIN,
	 .type = FIELD_OBJECT,
	 .table = &spec_hyperparameters_table,
	 .fallback = "{}",
	 .help = "Settings of the training."},
	{.name = "hyperparameters",
	 .modes = SCRIPTS,
	 .type = FIELD_MAP,
	 .max = 100,
	 .item = &item_value,
	 .check = check_hyperparameters,
	 .help = "Given to the script as --name value."},

	{.name = "data",
	 .modes = EVALUATE,
	 .type = FIELD_PATH,
	 .flags = SPEC_REQUIRED,
	 .accepts = ROLES_DATA,
	 .use = SPEC_PATH_DATASET,
	 .remote = REMOTE_S3,
	 .help = "A tokenised data set, such as ${prep.test}."},
	{.name = "label_map",
	 .modes = EVALUATE,
	 .type = FIELD_MAP,
	 .min = 1,
	 .max = 10000,
	 .item = &item_class,
	 .help = "Classes of the data whose names are not the model's: {data class: model class}. "
		 "All others are compared by name, or by id where a side has no names."},
	{.name = "batch_size",
	 .modes = EVALUATE,
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 65536,
	 .fallback = "64",
	 .help = "Rows in a batch."},

	{.name = "endpoint",
	 .modes = DEPLOY,
	 .type = FIELD_NAME,
	 .flags = SPEC_REQUIRED,
	 .help = "Name of the endpoint to make; unique among the live ones."},
	{.name = "lease",
	 .modes = DEPLOY,
	 .type = FIELD_OBJECT,
	 .table = &spec_lease_table,
	 .fallback = "{}",
	 .help = "When the endpoint is deleted by itself."},
	{.name = "on_existing",
	 .modes = DEPLOY,
	 .type = FIELD_ENUM,
	 .words = words_on_existing,
	 .fallback = "\"fail\"",
	 .help = "What to do when a live endpoint has the name; an update serves on "
		 "until the new model has passed its parity check."},
	{.name = "endpoint",
	 .modes = PREDICT | DELETE_ENDPOINT,
	 .type = FIELD_NAME,
	 .flags = SPEC_REQUIRED,
	 .accepts = ROLE_ENDPOINT,
	 .help = "Name of a live endpoint, or a reference such as ${deploy.endpoint}."},
	{.name = "inputs",
	 .modes = PREDICT,
	 .type = FIELD_ANY,
	 .flags = SPEC_REQUIRED,
	 .max = 6291456,
	 .check = check_inputs,
	 .help = "A text, a list of texts, or a list of pairs of texts."},
	{.name = "parameters",
	 .modes = DEPLOY,
	 .type = FIELD_LATER,
	 .help = "give them with each request, or to the predict job: an endpoint keeps none"},
	{.name = "parameters",
	 .modes = PREDICT,
	 .type = FIELD_OBJECT,
	 .table = &spec_parameters_table,
	 .help = "How answers are made, as in the Hugging Face container."},

	{.name = "source",
	 .modes = UPLOAD,
	 .type = FIELD_PATH,
	 .flags = SPEC_REQUIRED,
	 .accepts = ROLES_INPUT | ROLE_FILE,
	 .use = SPEC_PATH_SOURCE,
	 .help = "A file or directory, or a reference to one."},
	{.name = "source",
	 .modes = DOWNLOAD,
	 .type = FIELD_PATH,
	 .flags = SPEC_REQUIRED,
	 .accepts = ROLES_INPUT,
	 .remote = REMOTE_S3 | REMOTE_ONLY,
	 .help = "s3://bucket/key of one object (a .tar.gz is unpacked), s3://bucket/prefix/ of "
		 "all "
		 "below it, or a reference to what lies in S3."},
	{.name = "destination",
	 .modes = UPLOAD,
	 .type = FIELD_PATH,
	 .flags = SPEC_REQUIRED,
	 .remote = REMOTE_S3 | REMOTE_ONLY,
	 .help = "s3://bucket/prefix/ for a directory, s3://bucket/key for a file; a directory "
		 "sent to a key that ends in .tar.gz is packed."},
	{.name = "destination",
	 .modes = DOWNLOAD,
	 .type = FIELD_PATH,
	 .use = SPEC_PATH_OUTPUT,
	 .help = "A directory; the job's own when left out."},
	{.name = "exclude",
	 .modes = UPLOAD | DOWNLOAD,
	 .type = FIELD_LIST,
	 .max = 100,
	 .item = &item_glob,
	 .help = "Patterns of paths below the source that are left out, such as checkpoint-*."},
	{.name = "if_exists",
	 .modes = UPLOAD,
	 .type = FIELD_ENUM,
	 .words = words_if_exists,
	 .fallback = "\"skip_same\"",
	 .help = "An object of the same size and checksum is not sent again, or it is."},

	{.name = "secrets",
	 .type = FIELD_LATER,
	 .help = "let the script read the secret from a file that only its user may read"},
	{.name = "aws_credentials",
	 .type = FIELD_LATER,
	 .help = "let channels and upload jobs move what lies in S3: a script gets no keys"},
	{.name = "matrix", .type = FIELD_LATER, .help = "write one job for each combination"},
	{.name = "max_parallel",
	 .type = FIELD_LATER,
	 .help = "the slots of the configuration say how many jobs run at a time"},
	{.name = "fail_fast",
	 .type = FIELD_LATER,
	 .help = "jobs that need a failed one are skipped, the others go on"},
};

const struct spec_table spec_job_table = {"a job", job_fields, ARRAY_LEN(job_fields)};

static const struct spec_field run_fields[] = {
	{.name = "name",
	 .type = FIELD_NAME,
	 .fallback = "\"run\"",
	 .help = "Name of the run; need not be unique."},
	{.name = "tags",
	 .type = FIELD_MAP,
	 .max = SPEC_TAGS_MAX,
	 .item = &item_tag,
	 .check = check_tags,
	 .help = "Names and texts of your own."},
	{.name = "priority",
	 .type = FIELD_INT,
	 .min = -SPEC_PRIORITY_MAX,
	 .max = SPEC_PRIORITY_MAX,
	 .fallback = "0",
	 .help = "Of jobs that do not say their own; higher starts first."},
	{.name = "jobs",
	 .type = FIELD_JOBS,
	 .flags = SPEC_REQUIRED,
	 .min = 1,
	 .max = SPEC_JOBS_MAX,
	 .help = "The jobs of the pipeline."},
};

const struct spec_table spec_run_table = {"a run", run_fields, ARRAY_LEN(run_fields)};

bool spec_field_in(const struct spec_field *f, unsigned modes)
{
	return f->modes == SPEC_ANY_MODE || f->modes & modes;
}

const struct spec_field *spec_field_find(const struct spec_table *t, const char *name,
					 unsigned modes)
{
	for (size_t i = 0; i < t->n; i++)
		if (spec_field_in(&t->fields[i], modes) && str_eq(name, t->fields[i].name))
			return &t->fields[i];
	return NULL;
}

bool spec_field_is_open(const struct spec_table *t, const char *name, unsigned modes)
{
	const struct spec_field *f = spec_field_find(t, name, modes);

	return f && f->type != FIELD_LATER;
}

unsigned spec_output_role(enum job_kind kind, const char *output)
{
	static const struct {
		enum job_kind kind;
		const char *output;
		unsigned role;
	} roles[] = {
		{JOB_PREPROCESS, "train", ROLE_DATASET},
		{JOB_PREPROCESS, "test", ROLE_DATASET},
		{JOB_TRAIN, "model", ROLE_MODEL},
		{JOB_TRAIN, "output", ROLE_DIRECTORY},
		{JOB_TRAIN, "metrics", ROLE_FILE},
		{JOB_EVALUATE, "metrics", ROLE_FILE},
		{JOB_DEPLOY, "endpoint", ROLE_ENDPOINT},
		{JOB_PREDICT, "predictions", ROLE_VALUE},
		{JOB_UPLOAD, "uri", ROLES_INPUT},
		{JOB_UPLOAD, "path", ROLE_VALUE},
		{JOB_DOWNLOAD, "uri", ROLE_VALUE},
		{JOB_DOWNLOAD, "path", ROLES_INPUT},
		{JOB_SCRIPT, "model", ROLE_MODEL},
		{JOB_SCRIPT, "output", ROLE_DIRECTORY},
		{JOB_TRAIN, "checkpoints", ROLE_DIRECTORY},
		{JOB_SCRIPT, "checkpoints", ROLE_DIRECTORY},
	};

	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (roles[i].kind == kind && str_eq(output, roles[i].output))
			return roles[i].role;
	return 0;
}

const char *spec_role_str(unsigned roles)
{
	static const char *const names[] = {"a data set", "a model",	 "a directory",
					    "a file",	  "an endpoint", "a value"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (roles & 1u << i)
			return names[i];
	return "nothing";
}
