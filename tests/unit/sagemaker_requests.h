/* SPDX-License-Identifier: MIT */
/* What the tests of the requests to SageMaker share. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* first: what cmocka needs */
#include <cmocka.h>

#include "base/own.h"
#include "jobs/sagemaker/requests.h"

#include <string.h>

#define ROLE	"arn:aws:iam::123456789012:role/service-role/Main"
#define GPU	"\"sagemaker\": {\"instance_type\": \"ml.g5.xlarge\"}"
#define NAME_63 "a23456789-123456789-123456789-123456789-123456789-123456789-123"

static inline json_t *parse(const char *text)
{
	json_t *j = NULL;
	struct err e = {0};

	if (json_parse(text, strlen(text), &j, &e) < 0)
		fail_msg("%s in %s", e.msg, text);
	return j;
}
