/* SPDX-License-Identifier: MIT */
/*
 * What IAM policies say, as far as it can be told without asking IAM (public reference:
 * docs.aws.amazon.com, "IAM JSON policy elements" and "Policy evaluation logic"). Pure. Conditions,
 * policy variables and statements that cover a part of what was asked give POLICY_MAYBE; policies
 * of organisations, of buckets and of keys are not seen.
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

/* A policy's document as IAM hands it out: JSON, or that percent-encoded. -ERR_INVALID. */
int policy_parse(const char *text, json_t **ret, struct err *reterr) MUSTCHECK;
/* POLICY_YES if `documents` (a list of documents that count together) allow `action`
 * ("s3:GetObject") on `resource`: an ARN, or with '*' and '?' all that it matches. A Deny wins. */
enum policy_answer policy_allows(const json_t *documents, const char *action, const char *resource);
/* POLICY_YES if `service` ("sagemaker.amazonaws.com") may assume the role with this trust
 * policy. */
enum policy_answer policy_trusts(const json_t *document, const char *service);
/* true, false or "maybe". New reference. */
json_t *policy_answer_json(enum policy_answer answer);
