/* SPDX-License-Identifier: MIT */
/*
 * Checks that the model answers as it did after training. model/parity.json
 * (worker/train/README.md) has texts with the trained model's answers. Each text is asked here in
 * the way of a request.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "worker/serve/http.h"

#define PARITY_FILE	      "parity.json"
#define PARITY_BYTES_MAX      (16 << 20)
/* Greatest difference of a score. The sample is in fp32. */
#define PARITY_TOLERANCE_F32  1e-4
#define PARITY_TOLERANCE_BF16 1e-2

/* Give a new object in *ret_result: {"parity": "passed", "parity_rows", "parity_max_diff",
 * "parity_other_labels": the samples whose best label is another than after the training}, or
 * {"parity": "skipped", "parity_reason"} if there is no sample. -ERR_CONFLICT: an answer differs
 * (the message names the answer and the difference). -ERR_CORRUPT: the file is invalid. */
int parity_check(const struct serving *with, const char *model_dir, json_t **ret_result,
		 struct err *reterr) MUSTCHECK;
