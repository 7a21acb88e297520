/* SPDX-License-Identifier: MIT */
/* How a script is started, on both targets as SageMaker's toolkit does
 * (sagemaker_training/_entry_point_type.py, get; process.py). */
#pragma once

#include <stdbool.h>

enum entry_type {
	ENTRY_PYTHON,  /* python train.py args */
	ENTRY_PACKAGE, /* setup.py beside it: python -m train args */
	ENTRY_COMMAND, /* /bin/sh -c "./train.sh args" */
};

/* `has_setup`: there is a setup.py in source_dir. */
enum entry_type entry_type_of(const char *entry_point, bool has_setup);
/* The file that makes a start install packages first: "setup.py", "requirements.txt"; NULL: none.
 */
const char *entry_installs(enum entry_type type, bool has_requirements);
