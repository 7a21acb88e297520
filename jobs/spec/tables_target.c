/* SPDX-License-Identifier: MIT */
/* The tables of the two targets: the fields of "local" and "sagemaker". */
#include "jobs/spec/parse.h"
#include "jobs/spec/tables.h"

#define SECONDS_YEAR  (366.0 * 86400)
#define BYTES_MIB     1048576.0
#define KEEP_LAST_MAX 1000
#define BYTES_PIB     0x1p50

static const char *const words_requirements[] = {"refuse", "venv", NULL};
static const struct spec_field item_device = {
	.name = "device", .type = FIELD_INT, .min = 0, .max = 63};

static const struct spec_field local_fields[] = {
	{.name = "gpus",
	 .type = FIELD_INT,
	 .min = 0,
	 .max = SPEC_DEVICES_MAX,
	 .help = "GPUs; 1 for native train and deploy on a machine that has one, else 0."},
	{.name = "gpu_memory",
	 .type = FIELD_BYTES,
	 .min = BYTES_MIB,
	 .max = BYTES_PIB,
	 .help = "Memory of each GPU that the job needs; the whole GPU when left out."},
	{.name = "devices",
	 .type = FIELD_LIST,
	 .flags = SPEC_UNIQUE,
	 .min = 1,
	 .max = SPEC_DEVICES_MAX,
	 .item = &item_device,
	 .help = "Indices of the GPUs to choose from."},
	{.name = "cpus",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 4096,
	 .help = "Threads; all threads of the slot when left out. Jobs that ask for fewer share a "
		 "slot."},
	{.name = "memory",
	 .type = FIELD_LATER,
	 .help = "remove it: the job may use the memory that the machine has"},
	{.name = "python",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = SPEC_PATH_MAX,
	 .help = "Interpreter of scripts; local.python of the configuration when left out."},
	{.name = "requirements",
	 .type = FIELD_ENUM,
	 .words = words_requirements,
	 .fallback = "\"refuse\"",
	 .help = "Whether to install a requirements.txt of source_dir: refuse it, or make a venv."},
};
const struct spec_table spec_local_table = TABLE("'local'", local_fields);

static const struct spec_field item_subnet = {
	.name = "subnet", .type = FIELD_STRING, .min = 1, .max = 32, .check = check_ec2_id};
static const struct spec_field item_group = {
	.name = "security group", .type = FIELD_STRING, .min = 1, .max = 32, .check = check_ec2_id};

static const struct spec_field vpc_fields[] = {
	{.name = "subnets",
	 .type = FIELD_LIST,
	 .flags = SPEC_REQUIRED | SPEC_UNIQUE,
	 .min = 1,
	 .max = 16,
	 .item = &item_subnet,
	 .help = "Ids of subnets."},
	{.name = "security_groups",
	 .type = FIELD_LIST,
	 .flags = SPEC_REQUIRED | SPEC_UNIQUE,
	 .min = 1,
	 .max = 5,
	 .item = &item_group,
	 .help = "Ids of security groups."},
};
static const struct spec_table vpc_table = TABLE("'vpc'", vpc_fields);

static const struct spec_field serverless_fields[] = {
	{.name = "memory_mb",
	 .type = FIELD_INT,
	 .min = 1024,
	 .max = 6144,
	 .fallback = "2048",
	 .check = check_memory_mb,
	 .help = "Memory of one copy, in steps of 1024."},
	{.name = "max_concurrency",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 200,
	 .fallback = "5",
	 .help = "Requests at a time."},
	{.name = "provisioned_concurrency",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 200,
	 .help = "Copies that are kept ready, which costs; at most max_concurrency."},
};
static const struct spec_table serverless_table = TABLE("'serverless'", serverless_fields);

static const struct spec_field sagemaker_fields[] = {
	{.name = "instance_type",
	 .type = FIELD_STRING,
	 .min = 4,
	 .max = 64,
	 .check = check_instance_type,
	 .help = "Instance type such as ml.g5.xlarge; needed on SageMaker, except with "
		 "serverless."},
	{.name = "instance_count",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 100,
	 .help = "Instances; 1 when left out. Training on several uses torch_distributed."},
	{.name = "role",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 2048,
	 .check = check_iam_role,
	 .help = "Name or ARN of the IAM role that SageMaker assumes; the configuration's when "
		 "left out."},
	{.name = "image",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 255,
	 .check = check_image,
	 .help = "URI of a container image, or a version of Hugging Face's such as "
		 "transformers4.49; a Hugging Face container when left out."},
	{.name = "volume_gb",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 16384,
	 .help = "Disk in GB; of an endpoint at most 512."},
	{.name = "spot", .type = FIELD_BOOL, .help = "Train on spot capacity."},
	{.name = "max_wait",
	 .type = FIELD_DURATION,
	 .min = 1,
	 .max = SECONDS_YEAR,
	 .help = "Longest time to wait for spot capacity and to run, together; twice max_runtime "
		 "when left out."},
	{.name = "vpc", .type = FIELD_OBJECT, .table = &vpc_table, .help = "Network."},
	{.name = "kms_key",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 2048,
	 .check = check_kms_key,
	 .help = "Id, ARN or alias of the KMS key for disks and results."},
	{.name = "keep_alive",
	 .type = FIELD_DURATION,
	 .min = 0,
	 .max = 21600,
	 .help = "Keep the training instance warm for the next job, which costs."},
	{.name = "region",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 32,
	 .check = check_region,
	 .help = "AWS region; the configuration's when left out."},
	{.name = "serverless",
	 .type = FIELD_OBJECT,
	 .table = &serverless_table,
	 .help = "Deploy without instances."},
};
const struct spec_table spec_sagemaker_table = TABLE("'sagemaker'", sagemaker_fields);

static const struct spec_field checkpoint_fields[] = {
	{.name = "s3",
	 .type = FIELD_PATH,
	 .remote = REMOTE_S3 | REMOTE_ONLY,
	 .help = "s3://bucket/prefix/ that SageMaker keeps in step with the directory; below the "
		 "job's own prefix when left out."},
	{.name = "path",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = SPEC_PATH_MAX,
	 .check = check_container_path,
	 .help = "Directory of the checkpoints in the container; /opt/ml/checkpoints when left "
		 "out."},
	{.name = "keep_last",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = KEEP_LAST_MAX,
	 .help = "Number of complete checkpoints (checkpoint-STEP with a whole trainer_state.json) "
		 "of a script on this machine that stay while it runs; all when left out."},
	{.name = "every",
	 .type = FIELD_LATER,
	 .help = "native training has hyperparameters.save_steps, and a script decides by itself"},
};
const struct spec_table spec_checkpoint_table = TABLE("'checkpoint'", checkpoint_fields);
