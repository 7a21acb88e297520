/* SPDX-License-Identifier: MIT */
/* Finds the errors that a preprocess job would report about its data, without tokenising
 * (worker/inspect.h). */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "worker/report.h"

/* Read the data of `spec`. Negative: the data cannot be used, and `reterr` has the reason and the
 * field. Errors of the disk or the machine are not reported. Blocks. */
int dataset_inspect(const json_t *spec, struct report *report, struct err *reterr) MUSTCHECK;
