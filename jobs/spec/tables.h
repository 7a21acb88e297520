/* SPDX-License-Identifier: MIT */
/* Internal to jobs/spec/: the tables of nested objects. */
#pragma once

#include "base/own.h"
#include "jobs/spec/fields.h"

#define TABLE(what_, fields_)                                             \
	{                                                                 \
		.what = what_, .fields = fields_, .n = ARRAY_LEN(fields_) \
	}

extern const struct spec_table spec_need_table;
extern const struct spec_table spec_retry_table;
extern const struct spec_table spec_metric_table;
extern const struct spec_table spec_local_table;
extern const struct spec_table spec_sagemaker_table;
extern const struct spec_table spec_dataset_table;
extern const struct spec_table spec_hub_model_table;
extern const struct spec_table spec_train_channels_table;
extern const struct spec_table spec_hyperparameters_table;
extern const struct spec_table spec_checkpoint_table;
extern const struct spec_table spec_lease_table;
extern const struct spec_table spec_parameters_table;
