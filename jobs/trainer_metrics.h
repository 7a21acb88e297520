/* SPDX-License-Identifier: MIT */
/*
 * The metrics that are read from the log of a script which names none: those that transformers'
 * Trainer prints. The same names on both targets; SageMaker itself gets the expression for finite
 * numbers, because its metrics hold no others.
 */
#pragma once

#include <stddef.h>

struct trainer_metric {
	const char *name;
	const char *regex;     /* its first group is the number */
	const char *regex_any; /* the same with nan and inf, as Python prints them */
};

extern const struct trainer_metric trainer_metrics[];
extern const size_t trainer_metrics_n;
