/* SPDX-License-Identifier: MIT */
/* The tables of the two targets: what may stand in "local" and "sagemaker". */
#include "jobs/spec_parse.h"
#include "jobs/spec_tables.h"

#define SECONDS_YEAR (366.0 * 86400)
#define BYTES_MIB    1048576.0
#define BYTES_PIB    0x1p50

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
	 .help = "Threads; all of its slot when left out."},
	{.name = "memory",
	 .type = FIELD_LATER,
	 .help = "leave it out: the job may use what the machine has"},
	{.name = "python",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = SPEC_PATH_MAX,
	 .help = "The interpreter of scripts; the configuration's when left out."},
	{.name = "requirements",
	 .type = FIELD_ENUM,
	 .words = words_requirements,
	 .fallback = "\"refuse\"",
	 .help = "What to do with a requirements.txt in source_dir."},
};
const struct spec_table spec_local_table = TABLE("'local'", local_fields);

static const struct spec_field item_subnet = {
	.name = "subnet", .type = FIELD_STRING, .min = 1, .max = 32};
static const struct spec_field item_group = {
	.name = "security group", .type = FIELD_STRING, .min = 1, .max = 32};

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
	 .help = "Memory of one copy."},
	{.name = "max_concurrency",
	 .type = FIELD_INT,
	 .min = 1,
	 .max = 200,
	 .fallback = "5",
	 .help = "Requests at a time."},
};
static const struct spec_table serverless_table = TABLE("'serverless'", serverless_fields);

static const struct spec_field sagemaker_fields[] = {
	{.name = "instance_type",
	 .type = FIELD_STRING,
	 .min = 4,
	 .max = 64,
	 .check = check_instance_type,
	 .help = "Such as ml.g5.xlarge."},
	{.name = "instance_count", .type = FIELD_INT, .min = 1, .max = 100, .help = "Instances."},
	{.name = "role",
	 .type = FIELD_STRING,
	 .min = 1,
	 .max = 2048,
	 .help = "Name or ARN of the IAM role that SageMaker assumes."},
	{.name = "image", .type = FIELD_STRING, .min = 1, .max = 255, .help = "Container image."},
	{.name = "volume_gb", .type = FIELD_INT, .min = 1, .max = 16384, .help = "Disk in GB."},
	{.name = "spot", .type = FIELD_BOOL, .help = "Use spot capacity."},
	{.name = "max_wait",
	 .type = FIELD_DURATION,
	 .min = 1,
	 .max = SECONDS_YEAR,
	 .help = "Longest time to wait for spot capacity and to run, together."},
	{.name = "vpc", .type = FIELD_OBJECT, .table = &vpc_table, .help = "Network."},
	{.name = "kms_key", .type = FIELD_STRING, .min = 1, .max = 2048, .help = "KMS key."},
	{.name = "keep_alive",
	 .type = FIELD_DURATION,
	 .min = 0,
	 .max = 21600,
	 .help = "Keep the instance warm for the next job."},
	{.name = "region", .type = FIELD_STRING, .min = 1, .max = 32, .help = "AWS region."},
	{.name = "serverless",
	 .type = FIELD_OBJECT,
	 .table = &serverless_table,
	 .help = "Deploy without instances."},
};
const struct spec_table spec_sagemaker_table = TABLE("'sagemaker'", sagemaker_fields);
