/* SPDX-License-Identifier: MIT */
/*
 * The metrics that are read from the log of a script which names none: those that transformers'
 * Trainer prints. The same names and expressions on both targets (worker/script, CloudWatch).
 */
#pragma once

#include <stddef.h>

struct trainer_metric {
	const char *name;
	const char *regex; /* its first group is the number */
};

extern const struct trainer_metric trainer_metrics[];
extern const size_t trainer_metrics_n;
