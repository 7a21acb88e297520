/* SPDX-License-Identifier: MIT */
/*
 * What SageMaker's training toolkit (sagemaker-training) passes to a script: the three files of
 * input/config, the command line from hyperparameters, the SM_* environment. Pure functions: values
 * in, JSON out. tests/parity/test_script_contract.py compares the results with the toolkit itself.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>

#define CONTRACT_HOST	   "algo-1"
#define CONTRACT_VALUE_MAX (1 << 20) /* bytes of one argument or variable */

struct contract {
	const char *base; /* "/opt/ml", or the absolute work directory */
	const char *entry_point;
	const char *job;	       /* its id */
	const char *region;	       /* "": not known */
	const json_t *hyperparameters; /* object, borrowed */
	const json_t *channels;	       /* object, borrowed; only its names matter */
	int cpus, gpus;
};

/* Each returns a new reference. NULL: out of memory, or a value is over its limit. */
json_t *contract_hyperparameters_json(const struct contract *c);
json_t *contract_input_data_json(const struct contract *c);
json_t *contract_resource_json(const struct contract *c);
json_t *contract_args(const struct contract *c); /* array of texts: "--epochs", "1", … */
json_t *contract_env(const struct contract *c);	 /* object of texts */
