/* SPDX-License-Identifier: MIT */
/* How a script is started. Both targets follow SageMaker's toolkit
 * (sagemaker_training/_entry_point_type.py, get; process.py). Pure. */
#pragma once

#include <stdbool.h>

enum entry_type {
	ENTRY_PYTHON,  /* python train.py args */
	ENTRY_PACKAGE, /* if setup.py exists: python -m train args */
	ENTRY_COMMAND, /* /bin/sh -c "./train.sh args" */
};

#define ENTRY_POINT_MAX 256 /* bytes */

/* NULL, or why no target can start a script of that name, with the remedy, for "'NAME' REASON". */
const char *entry_point_problem(const char *entry_point);
/* `has_setup`: True if source_dir contains setup.py. */
enum entry_type entry_type_of(const char *entry_point, bool has_setup);
/* The file that lists packages to install before the start: "setup.py" or "requirements.txt"; NULL
 * if there is none. */
const char *entry_installs(enum entry_type type, bool has_requirements);
