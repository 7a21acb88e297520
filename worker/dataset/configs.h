/* SPDX-License-Identifier: MIT */
/*
 * Decides which Parquet files of a tree belong to which split, if the tree may have several
 * configurations. The card's `configs` decide, as in `datasets` (load.py, data_files.py). Without
 * them a configuration is a folder of its name. Folders here and repositories of the hub (transfer)
 * use this.
 */
#pragma once

#include "base/buf.h"
#include "base/json.h"
#include "worker/dataset/split_names.h"

/* Group the n paths of one configuration. `configs` is the card's list or NULL, `config` the name
 * that the job gives or NULL. 0 (no groups: the configuration has no file), -ENOMEM, or -ENOENT:
 * several exist and none is named, or none has that name. `names` then gets the existing names,
 * quoted. The caller ends *ret with split_groups_done(), also on failure. */
int config_splits(const json_t *configs, const char *config, const char *const *paths, size_t n,
		  struct split_groups *ret, struct buf *names);
/* The card's entry of that name. If the name is NULL: the only one, else the default one, else
 * NULL. */
const json_t *config_find(const json_t *configs, const char *config);
/* The paths below `dir` ("": all), relative to it; *n becomes their number. The caller frees the
 * list, not the texts. NULL if memory is out. */
const char **paths_below(const char *dir, const char *const *paths, size_t *n);
/* Its name. */
const char *config_name(const json_t *entry);
