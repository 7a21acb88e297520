/* SPDX-License-Identifier: MIT */
/*
 * Maps the classes of a data set to those of a model, so that an evaluation compares equal classes.
 * Classes have names (ClassLabel, id2label) or only ids; LABEL_0, LABEL_1, … are no names.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "worker/dataset/dataset.h"
#include "worker/model/config.h"
#include "worker/report.h"

/* Rewrite the labels of `d` to ids of the model. If both sides have names, classes are matched by
 * name: exactly, or without regard to case if exactly one class of each side then has the name. If
 * one side has no names, classes are matched by id, and `report` gets a warning. `map` (may be
 * NULL) is {data class: model class} and takes precedence; a class without a name is written as its
 * id. -ERR_INVALID with a field of `map`: that class does not exist. -ERR_INVALID: rows of `d` have
 * a class that the model lacks; the message ends with `remedy`. */
/* The problem of a model for such labels. */
enum model_problem label_problem(enum dataset_kind kind);
/* Check that the labels are of the kind that the model answers. `data` names the data. */
int label_kind_match(const struct dataset *d, const struct model_config *c, const char *data,
		     struct err *reterr) MUSTCHECK;
int label_match(struct dataset *d, const struct model_config *c, const json_t *map,
		struct report *report, const char *remedy, struct err *reterr) MUSTCHECK;
