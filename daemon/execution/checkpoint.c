/* SPDX-License-Identifier: MIT */
/*
 * Reads the checkpoints folder of an execution without following links, and chooses the complete
 * checkpoint with the greatest step.
 */
#include "daemon/execution/checkpoint.h"

#include "base/beneath.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <dirent.h>
#include <limits.h>

#define CHECKPOINT_FOLDER   "work/checkpoints"
#define CHECKPOINT_PREFIX   "checkpoint-"
#define CHECKPOINT_MANIFEST "manifest.json"

/* Open the checkpoints folder of an execution. NULL if there is none, or if a link is in its
 * place. */
static DIR *open_folder(const char *dir)
{
	OWN(closep) int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	OWN(closep) int fd = -1;
	DIR *d;

	if (at < 0 || beneath_open_dir(at, CHECKPOINT_FOLDER, 0, &fd, NULL) < 0)
		return NULL;
	d = fdopendir(fd);
	if (d)
		(void)!TAKE_FD(fd);
	return d;
}

static bool is_complete(int folder, const char *name)
{
	char manifest[NAME_MAX + sizeof(CHECKPOINT_MANIFEST) + 2];
	OWN(closep) int fd = -1;

	return path_join(manifest, sizeof(manifest), name, CHECKPOINT_MANIFEST) &&
	       beneath_open(folder, manifest, BENEATH_NO_LINKS, INT64_MAX, &fd, NULL, NULL) >= 0;
}

void checkpoint_find(const char *dir, char *path, size_t size)
{
	DIR *d = open_folder(dir);
	int64_t best = -1, step;
	struct dirent *entry;

	path[0] = '\0';
	while (d && (entry = readdir(d))) {
		if (!str_starts(entry->d_name, CHECKPOINT_PREFIX) ||
		    str_to_i64(entry->d_name + sizeof(CHECKPOINT_PREFIX) - 1, &step) < 0 ||
		    step <= best || !is_complete(dirfd(d), entry->d_name))
			continue;
		if (snprintf(path, size, "%s/" CHECKPOINT_FOLDER "/%s", dir, entry->d_name) <
		    (int)size)
			best = step;
	}
	if (d)
		closedir(d);
	if (best < 0)
		path[0] = '\0';
}

void checkpoint_of_script(const char *dir, char *path, size_t size)
{
	DIR *d = open_folder(dir);
	struct dirent *entry;
	bool any = false;

	path[0] = '\0';
	while (d && !any && (entry = readdir(d)))
		any = !str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..");
	if (d)
		closedir(d);
	if (any && !path_join(path, size, dir, CHECKPOINT_FOLDER))
		path[0] = '\0';
}
