/* SPDX-License-Identifier: MIT */
/*
 * One walk over a job's normalised spec: it follows the tables of fields and visits each value that
 * may be a reference or a local path.
 */
#pragma once

#include "base/json.h"
#include "jobs/spec/fields.h"

struct spec_parse;

/* A visited value: the string object[key]; f is its row. */
struct spec_place {
	const struct spec_field *f;
	json_t *object;
	const char *key; /* text inside `object` */
	const char *value;
};

/* A negative result ends the walk and is returned. */
typedef int (*spec_place_fn)(void *userdata, const struct spec_place *place);
/* Visit the values of `job`. The pointer of `p` follows the walk; p may be NULL. Returns 0 or the
 * negative result of `fn`. */
int spec_walk(struct spec_parse *p, json_t *job, spec_place_fn fn, void *userdata);
