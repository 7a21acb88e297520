/* SPDX-License-Identifier: MIT */
/* Writes JSON values as Python does, because SageMaker's SDK and training toolkit pass them to
 * scripts in this form. Appends to a buf; check buf_ok() at the end. Any thread. */
#pragma once

#include "base/buf.h"
#include "base/json.h"

enum py_json_style {
	PY_JSON_DEFAULT, /* json.dumps(v, sort_keys=True): ", " and ": " */
	PY_JSON_DUMPS,	 /* json.dumps(v): the keys in the object's order */
	PY_JSON_COMPACT, /* json.dumps(v, sort_keys=True, separators=(",", ":")) */
};

#define PY_FLOAT_LEN 32

/* The keys of an object in the order of their code points. The caller frees the list with free(3);
 * the texts belong to obj. NULL if memory is out. */
const char **py_sorted_keys(const json_t *obj, size_t *ret_n);
/* repr(float): the shortest text that reads back as v. Returns buf. */
char *py_float_repr(double v, char buf[PY_FLOAT_LEN]);
/* As json.dumps, ASCII only. */
void py_json(struct buf *out, const json_t *v, enum py_json_style style);
/* As str(v) of the value from json.loads: True, None, [1, 'a']. */
void py_str(struct buf *out, const json_t *v);
