/* SPDX-License-Identifier: MIT */
/* Opens model.safetensors, or the shards that its index names. */
#include "worker/model/weights.h"

#include "base/fileio.h"
#include "base/json.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"

#include <limits.h>

#define SHARDS_MAX 1000

void weights_done(struct weights *w)
{
	for (size_t i = 0; i < w->n; i++)
		safetensors_close(w->files[i]);
	free(w->files);
}

static int weights_add(struct weights *w, const char *path, struct err *reterr)
{
	struct safetensors **files = realloc(w->files, (w->n + 1) * sizeof(*w->files));
	int r;

	if (!files)
		return err_errno(reterr, ENOMEM, "open %s", path);
	w->files = files;
	r = safetensors_open(path, &files[w->n], reterr);
	if (r >= 0)
		w->n++;
	return r;
}

static int weights_add_shards(struct weights *w, const char *dir, const char *index,
			      struct err *reterr)
{
	OWN(json_decrefp) json_t *j = NULL, *seen = json_object();
	const char *tensor;
	json_t *file;
	int r = roots_read_json(index, 64 << 20, &j, reterr);

	if (r < 0)
		return r;
	if (!json_object_size(json_object_get(j, "weight_map")))
		return err_set(reterr, ERR_CORRUPT, "%s has no \"weight_map\"", index);
	json_object_foreach(json_object_get(j, "weight_map"), tensor, file) {
		const char *name = json_string_value(file);
		char path[PATH_MAX];

		if (!name || !path_is_inside(name) || !path_join(path, sizeof(path), dir, name))
			return err_set(reterr, ERR_CORRUPT, "%s names no valid file for '%s'",
				       index, tensor);
		if (json_object_get(seen, name))
			continue;
		if (json_object_set_new(seen, name, json_true()) < 0 || w->n >= SHARDS_MAX)
			return err_set(reterr, ERR_LIMIT, "%s names more than %d files", index,
				       SHARDS_MAX);
		r = weights_add(w, path, reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

int weights_open(const char *dir, struct weights *w, struct err *reterr)
{
	char path[PATH_MAX], other[PATH_MAX];

	if (!path_join(path, sizeof(path), dir, "model.safetensors") ||
	    !path_join(other, sizeof(other), dir, "model.safetensors.index.json"))
		return err_errno(reterr, ENAMETOOLONG, "open the model in %s", dir);
	if (path_exists(AT_FDCWD, path))
		return weights_add(w, path, reterr);
	if (path_exists(AT_FDCWD, other))
		return weights_add_shards(w, dir, other, reterr);
	if (path_join(other, sizeof(other), dir, "pytorch_model.bin") &&
	    path_exists(AT_FDCWD, other))
		return err_set(reterr, ENOENT,
			       "%s has pytorch_model.bin but no model.safetensors; save the model "
			       "as safetensors first",
			       dir);
	return err_set(reterr, ENOENT, "%s has no model.safetensors", dir);
}

const struct st_tensor *weights_find(const struct weights *w, const char *name)
{
	const struct st_tensor *t = NULL;

	for (size_t i = 0; !t && i < w->n; i++)
		t = safetensors_find(w->files[i], name);
	return t;
}
