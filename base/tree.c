/* SPDX-License-Identifier: MIT */
/*
 * Removes a tree without recursion: directories of deeper levels are moved to the top, which is
 * emptied in passes. Measuring recurses to TREE_DEPTH_MAX.
 */
#include "base/tree.h"

#include "base/beneath.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/roots.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define UP_TRIES    64 /* names that are tried when a directory is moved up */
#define OWNER_ALL   0700
#define BLOCK_BYTES 512 /* the unit of st_blocks on every file system */

static bool is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Open a directory stream on `fd`, which is taken over. */
static DIR *read_dir(int fd)
{
	DIR *d = fdopendir(fd);

	if (!d)
		close(fd);
	return d;
}

/* Uses the descriptor of the checked directory, because the name may now lead elsewhere. */
static int make_accessible(int at, const char *name)
{
	OWN(closep) int fd = -1;
	char path[ROOTS_FD_PATH_MAX];
	int r = beneath_open_dir(at, name, O_PATH, &fd, NULL);

	if (r < 0)
		return r;
	return chmod(roots_fd_path(fd, path), OWNER_ALL) < 0 ? -errno : 0;
}

int tree_open(int at, const char *name, int *ret_fd, struct err *reterr)
{
	OWN(closep) int fd = -1;
	struct stat st;
	int r = beneath_open_dir(at, name, 0, &fd, reterr);

	if (r == -EACCES && make_accessible(at, name) >= 0)
		r = beneath_open_dir(at, name, 0, &fd, reterr);
	if (r < 0)
		return r;
	if (fstat(fd, &st) == 0 && (st.st_mode & OWNER_ALL) != OWNER_ALL)
		(void)!fchmod(fd, OWNER_ALL); /* may belong to another user; the failed removal is
						 reported later */
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* ---- measure ---- */

static void add_entry(struct tree_size *size, const struct stat *st)
{
	bool is_dir = S_ISDIR(st->st_mode);

	if (!is_dir)
		size->files++;
	if (is_dir || st->st_nlink == 1)
		size->bytes += (int64_t)st->st_blocks * BLOCK_BYTES;
}

static void measure_dir(int at, const char *name, int depth, struct tree_size *size)
{
	OWN(closedirp) DIR *d = NULL;
	struct dirent *e;
	int fd = -1;

	if (depth > TREE_DEPTH_MAX || beneath_open_dir(at, name, 0, &fd, NULL) < 0) {
		size->partial = true;
		return;
	}
	d = read_dir(fd);
	while (d && (e = readdir(d))) {
		struct stat st;

		if (is_dot(e->d_name))
			continue;
		if (size->budget <= 0) {
			size->partial = true;
			return;
		}
		size->budget--;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue; /* removed meanwhile */
		add_entry(size, &st);
		if (S_ISDIR(st.st_mode))
			measure_dir(dirfd(d), e->d_name, depth + 1, size);
	}
}

void tree_measure(int at, const char *name, struct tree_size *size)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	add_entry(size, &st);
	if (S_ISDIR(st.st_mode))
		measure_dir(at, name, 1, size);
}

/* ---- remove ---- */

struct removal {
	int top;	/* the tree's top directory */
	int64_t budget; /* entries that may still be handled */
	int64_t up;	/* number of the next name for a directory that is moved up */
	int64_t done;	/* entries removed or moved up in this pass */
	int failed;	/* the first error of this pass, negative */
	struct err reason;
};

static void fail(struct removal *rm, int r, const char *name)
{
	if (rm->failed < 0)
		return;
	rm->failed = err_errno(&rm->reason, -r, "remove %s", name);
}

/* Move a directory from deeper levels to the top, so that no recursion is needed. */
static void move_up(struct removal *rm, int dir, const char *name)
{
	char to[NAME_MAX + 1];
	int errnum = EEXIST;

	for (int tries = 0; tries < UP_TRIES && errnum; tries++) {
		snprintf(to, sizeof(to), "up-%llx", (unsigned long long)rm->up++);
		errnum = renameat2(dir, name, rm->top, to, RENAME_NOREPLACE) == 0 ? 0 : errno;
		if (errnum == EACCES && make_accessible(dir, name) < 0)
			break;
		if (errnum && errnum != EEXIST && errnum != EACCES)
			break;
	}
	if (errnum == ENOENT)
		return;
	if (errnum)
		fail(rm, -errnum, name);
	else
		rm->done++;
}

/* Unlink an entry. Returns true if the entry may be a directory, which unlink does not remove. */
static bool unlink_entry(struct removal *rm, int dir, const char *name)
{
	rm->budget--;
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT) {
		rm->done++;
		return false;
	}
	if (errno == EISDIR || errno == EPERM)
		return true;
	fail(rm, -errno, name);
	return false;
}

/* Empty a directory of the top: remove its files, move its directories up. */
static void clear_child(struct removal *rm, const char *name)
{
	OWN(closedirp) DIR *d = NULL;
	struct dirent *e;
	struct err err;
	int fd = -1, r = tree_open(rm->top, name, &fd, &err);

	if (r < 0) {
		if (r != -ENOENT && rm->failed >= 0) {
			rm->failed = r == -ENOTDIR ? -EPERM : r;
			rm->reason = err;
		}
		return;
	}
	d = read_dir(fd);
	while (d && rm->budget > 0 && (e = readdir(d)))
		if (!is_dot(e->d_name) && unlink_entry(rm, dirfd(d), e->d_name))
			move_up(rm, dirfd(d), e->d_name);
	if (unlinkat(rm->top, name, AT_REMOVEDIR) == 0)
		rm->done++;
	else if (errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
		fail(rm, -errno, name);
}

/* Handle all entries of the top once. Returns 1 if something is left. */
static int pass(struct removal *rm)
{
	OWN(closedirp) DIR *d = NULL;
	struct dirent *e;
	int fd = openat(rm->top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), left = 0;

	d = fd < 0 ? NULL : read_dir(fd);
	if (!d)
		return -errno;
	while (rm->budget > 0 && (e = readdir(d))) {
		if (is_dot(e->d_name))
			continue;
		left = 1;
		if (unlink_entry(rm, rm->top, e->d_name))
			clear_child(rm, e->d_name);
	}
	return rm->budget > 0 ? left : 1;
}

/* Remove at most max_entries entries of the open directory `dirfd`; `name` is for the message.
 * Returns 0 if it is empty. */
static int tree_clear(int dirfd, const char *name, int64_t max_entries, struct err *reterr)
{
	struct removal rm = {.top = dirfd, .budget = max_entries, .up = clock_mono_us()};
	int r;

	do {
		rm.done = rm.failed = 0;
		r = pass(&rm);
	} while (r == 1 && rm.budget > 0 && rm.done > 0);
	if (r < 0)
		return err_errno(reterr, -r, "read %s", name);
	if (r == 0 || rm.budget <= 0)
		return r;
	if (rm.failed >= 0) /* another process creates entries as fast as they are removed */
		return err_errno(reterr, ENOTEMPTY, "remove %s", name);
	if (reterr)
		*reterr = rm.reason;
	return err_ctx(reterr, rm.failed, "%s", name);
}

int tree_remove_some(int at, const char *name, int64_t max_entries, struct err *reterr)
{
	OWN(closep) int top = -1;
	int r;

	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_errno(reterr, errno, "remove %s", name);
	r = tree_open(at, name, &top, reterr);
	if (r < 0)
		return r == -ENOENT ? 0 : err_ctx(reterr, r, "remove %s", name);
	r = tree_clear(top, name, max_entries, reterr);
	if (r != 0)
		return r;
	if (unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return errno == ENOTEMPTY ? 1 : err_errno(reterr, errno, "remove %s", name);
	return 0;
}

int tree_remove(int at, const char *path, struct err *reterr)
{
	OWN(closep) int fd = -1;
	int r;

	if (unlinkat(at, path, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_errno(reterr, errno, "remove %s", path);
	fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_errno(reterr, errno, "remove %s", path);
	r = tree_clear(fd, path, INT64_MAX, reterr);
	if (r < 0)
		return r;
	if (unlinkat(at, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_errno(reterr, errno, "remove %s", path);
	return 0;
}
