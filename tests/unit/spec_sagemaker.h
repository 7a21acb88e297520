/* SPDX-License-Identifier: MIT */
/* Specs of jobs on SageMaker, to spoil. */
#pragma once

#include "tests/unit/spec_refusal.h"

/* Good jobs there, to spoil. */
#define THERE		       "'target': 'sagemaker'"
#define SM_MIN		       "'instance_type': 'ml.g5.xlarge', 'role': 'R'"
#define CLOUD(s)	       RUN(TRAIN(", " THERE ", 'sagemaker': {" s "}"))
#define SAGEMAKER_SCRIPT(more) RUN(SCRIPT(", " THERE ", 'sagemaker': {" SM_MIN "}" more))
#define SAGEMAKER_DEPLOY(s)    RUN(DEPLOY(", " THERE ", 'sagemaker': {" s "}"))
