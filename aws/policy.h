/* SPDX-License-Identifier: MIT */
/*
 * The meaning of IAM policies, as far as it is known without asking IAM (public reference:
 * docs.aws.amazon.com, "IAM JSON policy elements" and "Policy evaluation logic"). Pure functions.
 * Conditions, policy variables and statements that cover only a part of the request give
 * POLICY_MAYBE. Policies of organisations, buckets and keys are not considered.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#define POLICY_TEXT_MAX (256 << 10) /* bytes of a document, encoded */

enum policy_answer {
	POLICY_NO,
	POLICY_MAYBE,
	POLICY_YES,
};

/* Parse a policy's document as IAM returns it: JSON, or percent-encoded JSON. *ret is a new
 * reference. -ERR_INVALID; -ERR_LIMIT: it is larger than POLICY_TEXT_MAX. */
int policy_parse(const char *text, json_t **ret, struct err *reterr) MUSTCHECK;
/* POLICY_YES if `documents` (documents that count together) allow `action` ("s3:GetObject") on
 * `resource`. That is an ARN; with '*' and '?' it stands for all ARNs that match. A Deny has
 * precedence. */
enum policy_answer policy_allows(const json_t *documents, const char *action, const char *resource);
/* POLICY_YES if `service` ("sagemaker.amazonaws.com") may assume the role with this trust
 * policy. */
enum policy_answer policy_trusts(const json_t *document, const char *service);
/* true, false or "maybe". New reference. */
json_t *policy_answer_json(enum policy_answer answer);
