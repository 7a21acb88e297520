/* SPDX-License-Identifier: MIT */
/* Lists the files *.conf of a folder. Hidden files and copies that editors and packages leave (x~,
 * x.dpkg-old) have other names, so they are left out. */
#include "base/fileio.h"
#include "base/str.h"
#include "config/internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define ENDING ".conf"

static int is_config(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return *entry->d_name != '.' && n > strlen(ENDING) &&
	       str_eq(entry->d_name + n - strlen(ENDING), ENDING);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_one(const char *dir, const char *name, config_path_fn fn, void *userdata,
		    struct err *reterr)
{
	char path[PATH_MAX];

	if (!path_join(path, sizeof(path), dir, name))
		return err_set(reterr, ERR_INVALID, "the path of '%s' in '%s' is too long", name,
			       dir);
	return fn(userdata, path, reterr);
}

int config_folder_read(const char *dir, config_path_fn fn, void *userdata, struct err *reterr)
{
	struct dirent **entries = NULL;
	int n = scandir(dir, &entries, is_config, by_name), r = 0;

	if (n < 0)
		return errno == ENOENT ? 0
				       : err_errno(reterr, errno,
						   "read the configuration folder '%s'", dir);
	if (n > CONFIG_FILES_MAX)
		r = err_set(reterr, ERR_INVALID, "%s has %d files *.conf; at most %d are read", dir,
			    n, CONFIG_FILES_MAX);
	for (int i = 0; i < n; i++) {
		if (r >= 0)
			r = read_one(dir, entries[i]->d_name, fn, userdata, reterr);
		free(entries[i]);
	}
	free(entries);
	return r;
}
