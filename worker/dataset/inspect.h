/* SPDX-License-Identifier: MIT */
/* What a preprocess job would say of its data, without tokenising any (worker/inspect.h). */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "worker/report.h"

/* Reads the data of `spec`. Negative: the data cannot be used, `reterr` says why and has the field.
 * Trouble of the disk or the machine is no finding. Blocking. */
int dataset_inspect(const json_t *spec, struct report *report, struct err *reterr) MUSTCHECK;
