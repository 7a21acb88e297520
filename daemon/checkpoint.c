/* SPDX-License-Identifier: MIT */
#include "daemon/checkpoint.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <dirent.h>
#include <limits.h>

#define CHECKPOINT_FOLDER   "work/checkpoints"
#define CHECKPOINT_PREFIX   "checkpoint-"
#define CHECKPOINT_MANIFEST "manifest.json"

void checkpoint_find(const char *dir, char *path, size_t size)
{
	char folder[PATH_MAX], manifest[PATH_MAX];
	int64_t best = -1, step;
	struct dirent *entry;
	DIR *d;

	path[0] = '\0';
	if (!path_join(folder, sizeof(folder), dir, CHECKPOINT_FOLDER))
		return;
	d = opendir(folder);
	if (!d)
		return;
	while ((entry = readdir(d))) {
		if (!str_starts(entry->d_name, CHECKPOINT_PREFIX) ||
		    str_to_i64(entry->d_name + sizeof(CHECKPOINT_PREFIX) - 1, &step) < 0 ||
		    step <= best)
			continue;
		if (snprintf(manifest, sizeof(manifest), "%s/%s/" CHECKPOINT_MANIFEST, folder,
			     entry->d_name) >= (int)sizeof(manifest) ||
		    !path_exists(AT_FDCWD, manifest))
			continue;
		if (snprintf(path, size, "%s/%s", folder, entry->d_name) < (int)size)
			best = step;
	}
	closedir(d);
	if (best < 0)
		path[0] = '\0';
}

void checkpoint_of_script(const char *dir, char *path, size_t size)
{
	struct dirent *entry;
	bool any = false;
	DIR *d;

	path[0] = '\0';
	if (!path_join(path, size, dir, CHECKPOINT_FOLDER) || !(d = opendir(path))) {
		path[0] = '\0';
		return;
	}
	while (!any && (entry = readdir(d)))
		any = !str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..");
	closedir(d);
	if (!any)
		path[0] = '\0';
}
