/* SPDX-License-Identifier: MIT */
/* Reads state.json, dataset_dict.json and dataset_info.json, by which `datasets` decides, too. */
#include "worker/dataset/saved.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "worker/dataset/columns.h"

#include <limits.h>
#include <string.h>

#define STATE_MAX (16u << 20)
#define INFO_MAX  (64u << 20)

static bool has(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return path_join(path, sizeof(path), dir, name) && path_exists(AT_FDCWD, path);
}

enum saved_kind saved_kind(const char *dir)
{
	if (has(dir, "state.json") && has(dir, "dataset_info.json"))
		return SAVED_DATASET;
	return has(dir, "dataset_dict.json") ? SAVED_DICT : SAVED_NONE;
}

void saved_files_free(char **files, size_t n)
{
	for (size_t i = 0; files && i < n; i++)
		free(files[i]);
	free(files);
}

static int resolve(const char *dir, const json_t *file, char **ret, struct err *reterr)
{
	const char *name = json_get_str(file, "filename", NULL);
	char path[PATH_MAX];

	if (!name || !path_is_inside(name) || !path_join(path, sizeof(path), dir, name))
		return err_set(reterr, ERR_CORRUPT,
			       "%s/state.json names a data file that is not "
			       "inside the data set",
			       dir);
	if (!path_exists(AT_FDCWD, path))
		return err_set(reterr, ENOENT,
			       "%s is missing, although state.json of the data set names it", path);
	*ret = strdup(path);
	return *ret ? 0 : err_errno(reterr, ENOMEM, "open %s", dir);
}

int saved_files(const char *dir, char ***ret, size_t *ret_n, struct err *reterr)
{
	OWN(json_decrefp) json_t *state = NULL;
	json_t *list, *file;
	char path[PATH_MAX], **files;
	size_t i;
	int r;

	if (saved_kind(dir) == SAVED_NONE)
		return err_set(reterr, ENOENT,
			       "%s is not a saved data set: it has no state.json and "
			       "dataset_info.json",
			       dir);
	if (saved_kind(dir) == SAVED_DICT)
		return err_set(reterr, ERR_INVALID,
			       "%s is a DatasetDict; name one of its splits, such as %s/train", dir,
			       dir);
	if (!path_join(path, sizeof(path), dir, "state.json"))
		return err_errno(reterr, ENAMETOOLONG, "open %s", dir);
	r = roots_read_json(path, STATE_MAX, &state, reterr);
	if (r < 0)
		return r == -ERR_INVALID ? err_set(reterr, ERR_CORRUPT, "%s is not JSON", path) : r;
	list = json_object_get(state, "_data_files");
	if (!json_is_array(list))
		return err_set(reterr, ERR_CORRUPT, "%s names no data files", path);
	if (!json_array_size(list))
		return err_set(reterr, ERR_INVALID, "the data set in %s has no rows", dir);
	files = calloc(json_array_size(list), sizeof(*files));
	if (!files)
		return err_errno(reterr, ENOMEM, "open %s", dir);
	json_array_foreach(list, i, file) {
		r = resolve(dir, file, &files[i], reterr);
		if (r < 0) {
			saved_files_free(files, json_array_size(list));
			return r;
		}
	}
	*ret = files;
	*ret_n = json_array_size(list);
	return 0;
}

int saved_class_names(const char *dir, const struct ArrowSchema *schema, const char *column,
		      json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *info = NULL;
	const json_t *features;
	char path[PATH_MAX];
	int r;

	*ret = NULL;
	if (!path_join(path, sizeof(path), dir, "dataset_info.json"))
		return err_errno(reterr, ENAMETOOLONG, "open %s", dir);
	r = roots_read_json(path, INFO_MAX, &info, reterr);
	if (r < 0)
		return r == -ERR_INVALID ? err_set(reterr, ERR_CORRUPT, "%s is not JSON", path) : r;
	features = json_object_get(info, "features");
	*ret = json_object_get(features, column) ? feature_class_names(features, column)
						 : schema_class_names(schema, column);
	return 0;
}
