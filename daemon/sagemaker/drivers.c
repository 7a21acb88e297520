/* SPDX-License-Identifier: MIT */
/* The table of drivers, one for each kind of resource. */
#include "daemon/sagemaker/controller.h"

const struct sagemaker_driver *const sagemaker_drivers[RESOURCE_KINDS_] = {
	[RESOURCE_TRAINING_JOB] = &sagemaker_training_driver,
	[RESOURCE_MODEL] = &sagemaker_model_driver,
	[RESOURCE_ENDPOINT_CONFIG] = &sagemaker_config_driver,
	[RESOURCE_ENDPOINT] = &sagemaker_endpoint_driver,
};
