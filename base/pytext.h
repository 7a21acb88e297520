/* SPDX-License-Identifier: MIT */
/* JSON values as Python writes them: SageMaker's SDK and training toolkit hand them to scripts in
 * this form. All of it appends to a buf; check buf_ok() at the end. */
#pragma once

#include "base/buf.h"
#include "base/json.h"

enum py_json_style {
	PY_JSON_DEFAULT, /* json.dumps(v, sort_keys=True): ", " and ": " */
	PY_JSON_DUMPS,	 /* json.dumps(v): the keys in the order of the object */
	PY_JSON_COMPACT, /* json.dumps(v, sort_keys=True, separators=(",", ":")) */
};

#define PY_FLOAT_LEN 32

/* The keys of an object in the order of their code points. Free the list with free(3), not its
 * texts, which belong to obj. NULL: out of memory. */
const char **py_sorted_keys(const json_t *obj, size_t *ret_n);
/* repr(float): the shortest text that reads back as v. Returns buf. */
char *py_float_repr(double v, char buf[PY_FLOAT_LEN]);
/* json.dumps, with ASCII only. */
void py_json(struct buf *out, const json_t *v, enum py_json_style style);
/* str(v) of what json.loads would give: True, None, [1, 'a']. */
void py_str(struct buf *out, const json_t *v);
