/* SPDX-License-Identifier: MIT */
/* The weight files of a model directory: model.safetensors, or all shards of
 * model.safetensors.index.json. Needs no libtorch. */
#pragma once

#include "base/err.h"
#include "worker/model/safetensors.h"

struct weights {
	struct safetensors **files;
	size_t n;
};

/* Open all files, and check their headers and sizes. Blocking. Call weights_done() in any case.
 * -ENOENT: there is none; -ERR_CORRUPT: damaged, the message names the file. */
int weights_open(const char *dir, struct weights *w, struct err *reterr) MUSTCHECK;
/* NULL: no file has a tensor of that name. */
const struct st_tensor *weights_find(const struct weights *w, const char *name);
void weights_done(struct weights *w);
