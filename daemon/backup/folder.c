/* SPDX-License-Identifier: MIT */
/* Names sort by time. A name is taken for a backup only if it has the whole form. */
#include "daemon/backup/folder.h"

#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEFAULT_FOLDER "backups"
#define BEGIN	       "trainyard-"
#define END	       ".db"
#define UNFINISHED     ".db.tmp"

int backup_folder(const struct settings *set, char *buf, size_t size, struct err *reterr)
{
	bool given = set->backup_dir && set->backup_dir[0];
	struct stat st;

	if (given ? !str_copy(buf, size, set->backup_dir)
		  : !str_format(buf, size, "%s/" DEFAULT_FOLDER, set->data_dir))
		return err_errno(reterr, ENAMETOOLONG, "use the folder of backups");
	if (!given)
		return dir_make(AT_FDCWD, buf, 0700, reterr);
	if (stat(buf, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return err_set(reterr, ERR_CONFLICT,
		       "there is no directory %s (backup.dir): mount its disk, or make it", buf);
}

void backup_name(int64_t at_us, char name[BACKUP_NAME_MAX])
{
	char at[CLOCK_TEXT_LEN], *to = at;

	clock_format(at, at_us);
	for (const char *c = at; *c; c++)
		if (*c != '-' && *c != ':')
			*to++ = *c;
	*to = '\0';
	str_must_format(name, BACKUP_NAME_MAX, BEGIN "%s" END, at);
}

/* The time in a backup's name. Returns false for the name of another file. */
static bool time_of(const char *name, int64_t *ret_us)
{
	char at[CLOCK_TEXT_LEN], again[BACKUP_NAME_MAX];

	if (!str_starts(name, BEGIN) || strlen(name) != strlen(BEGIN "20261130T213002.123Z" END))
		return false;
	name += strlen(BEGIN);
	if (!str_format(at, sizeof(at), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s.%.3sZ", name, name + 4,
			name + 6, name + 9, name + 11, name + 13, name + 16) ||
	    clock_parse(at, ret_us) < 0)
		return false;
	backup_name(*ret_us, again);
	return str_eq(again + strlen(BEGIN), name);
}

static int by_time(const void *a, const void *b)
{
	return -strcmp(json_get_str(*(json_t *const *)a, "name", ""),
		       json_get_str(*(json_t *const *)b, "name", ""));
}

/* Sort newest first. */
static json_t *sorted(json_t *items)
{
	size_t n = json_array_size(items);
	OWN(freep) json_t **all = calloc(n + 1, sizeof(json_t *));
	json_t *ret = json_array();

	for (size_t i = 0; all && i < n; i++)
		all[i] = json_array_get(items, i);
	if (all)
		qsort(all, n, sizeof(*all), by_time);
	for (size_t i = 0; all && i < n; i++)
		json_array_append(ret, all[i]);
	json_decref(items);
	return ret;
}

int backup_list(const char *folder, json_t **ret, struct err *reterr)
{
	OWN(closedirp) DIR *d = opendir(folder);
	json_t *items = json_array();
	const struct dirent *e;

	if (!d) {
		json_decref(items);
		return err_errno(reterr, errno, "read %s", folder);
	}
	while ((e = readdir(d))) {
		char at[CLOCK_TEXT_LEN];
		struct stat st;
		int64_t us;

		if (time_of(e->d_name, &us) &&
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			json_array_append_new(items, json_pack("{ss ss sI}", "name", e->d_name,
							       "made_at", clock_format(at, us),
							       "bytes", (json_int_t)st.st_size));
	}
	*ret = sorted(items);
	return 0;
}

static void remove_unfinished(const char *folder)
{
	OWN(closedirp) DIR *d = opendir(folder);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (str_starts(e->d_name, BEGIN) && strstr(e->d_name, UNFINISHED))
			unlinkat(dirfd(d), e->d_name, 0);
}

int backup_remove_old(const char *folder, const char *made, int keep, json_t **ret_removed,
		      struct err *reterr)
{
	OWN(json_decrefp) json_t *all = NULL;
	json_t *item;
	size_t i;
	int kept = 1; /* `made` */
	int r = backup_list(folder, &all, reterr);

	if (r < 0)
		return r;
	*ret_removed = json_array();
	json_array_foreach(all, i, item) {
		const char *name = json_get_str(item, "name", "");
		OWN(freep) char *path = NULL;

		if (str_eq(name, made) || kept++ < keep)
			continue;
		if (asprintf(&path, "%s/%s", folder, name) >= 0 && unlink(path) == 0)
			json_array_append_new(*ret_removed, json_string(name));
	}
	remove_unfinished(folder);
	return 0;
}
