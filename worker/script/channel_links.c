/* SPDX-License-Identifier: MIT */
/* Walks the directory of a channel for its links. */
#include "worker/script/channel_links.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"
#include "base/str.h"
#include "worker/script/copy.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

struct walk {
	const char *real;
	int to; /* the upper layer's parent */
	const char *upper;
};

/* Make the link again in the upper layer. */
static int mirror(const struct walk *w, const char *path, const char *target, struct err *reterr)
{
	char at[PATH_MAX], parent[PATH_MAX];
	int r;

	if (!path_join(at, sizeof(at), w->upper, path))
		return err_errno(reterr, ENAMETOOLONG, "follow the link %s", path);
	str_assign(parent, at);
	*strrchr(parent, '/') = '\0';
	r = dir_make(w->to, parent, 0755, reterr);
	if (r >= 0 && symlinkat(target, w->to, at) < 0 && errno != EEXIST)
		r = err_errno(reterr, errno, "follow the link %s", path);
	return r;
}

static int follow(const struct walk *w, int dir, const char *name, const char *path,
		  struct err *reterr)
{
	OWN(closep) int fd = roots_open(dir, name, O_PATH, reterr);
	char text[PATH_MAX], real[PATH_MAX], link[ROOTS_FD_PATH_MAX];
	ssize_t n;

	if (fd < 0)
		return fd == -EACCES ? err_ctx(reterr, fd, "the link %s", path) : 0;
	n = readlinkat(dir, name, text, sizeof(text));
	if (n <= 0 || text[0] == '/')
		return 0;
	n = readlink(roots_fd_path(fd, link), real, sizeof(real) - 1);
	if (n < 0)
		return err_errno(reterr, errno, "follow the link %s", path);
	real[n] = '\0';
	return path_is_below(real, w->real) ? 0 : mirror(w, path, real, reterr);
}

/* The type of an entry; some file systems leave it out of the directory. */
static unsigned type_of(int dir, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN || fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return e->d_type;
	return IFTODT(st.st_mode);
}

static int walk_dir(const struct walk *w, int at, const char *name, const char *path, int depth,
		    struct err *reterr)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	OWN(closedirp) DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	/* what cannot be read here cannot be read by the script */
	if (!d || depth > COPY_DEPTH_MAX)
		return 0;
	while (r >= 0 && (e = readdir(d))) {
		unsigned type = type_of(fd, e);
		char below[PATH_MAX];

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (!path_join(below, sizeof(below), path, e->d_name))
			continue;
		if (type == DT_LNK)
			r = follow(w, fd, e->d_name, below, reterr);
		else if (type == DT_DIR)
			r = walk_dir(w, fd, e->d_name, below, depth + 1, reterr);
	}
	return r;
}

int channel_links(int fd, const char *real, int work_dirfd, const char *upper, struct err *reterr)
{
	struct walk w = {.real = real, .to = work_dirfd, .upper = upper};

	return walk_dir(&w, fd, ".", "", 0, reterr);
}
