/* SPDX-License-Identifier: MIT */
/*
 * The metrics that transformers' Trainer prints. They are read from the log of a script without
 * metric_definitions, with the same names on both targets. SageMaker itself gets the expression for
 * finite numbers, because its metrics hold no others.
 */
#pragma once

#include <stddef.h>

struct trainer_metric {
	const char *name;
	const char *regex;     /* the first group is the number */
	const char *regex_any; /* as `regex`, but also matches nan and inf as Python prints them */
};

extern const struct trainer_metric trainer_metrics[];
extern const size_t trainer_metrics_n;
