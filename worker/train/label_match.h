/* SPDX-License-Identifier: MIT */
/*
 * The classes of a data set as those of a model, so that an evaluation compares like with like.
 * Classes have names (ClassLabel, id2label) or only ids; LABEL_0, LABEL_1, … are no names.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "worker/dataset/dataset.h"
#include "worker/model/config.h"
#include "worker/report.h"

/* Rewrite the labels of `d` to ids of the model. Both sides named: by name, exactly, else without
 * regard to case if exactly one class of each side has that name then. One side without names: by
 * id, and `report` gets a warning. `map` (may be NULL) is {data class: model class} and wins; a
 * class without names is written as its id.
 * -ERR_INVALID with a field of `map`: it names a class that is not there. -ERR_INVALID: a class
 * that rows of `d` have is none of the model's; the message ends with `remedy`. */
int label_match(struct dataset *d, const struct model_config *c, const json_t *map,
		struct report *report, const char *remedy, struct err *reterr) MUSTCHECK;
