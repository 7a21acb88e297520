/* SPDX-License-Identifier: MIT */
/* The number that a row of a regression has as its label. */
#pragma once

#include "worker/dataset/label_value.h"

enum target_result {
	TARGET_NUMBER,
	TARGET_NONE, /* the row has no label */
	TARGET_BAD,  /* no number, or none that a float of 32 bits holds */
};

/* Only TARGET_NUMBER sets *ret. Codes such as "007" are numbers, too; booleans and classes are
 * none. */
enum target_result target_read(const struct label_value *v, float *ret);
