/* SPDX-License-Identifier: MIT */
/*
 * See cache.h. Locks: DIR/lock is flocked for the short steps that touch entries, shared to take
 * one out, exclusive to add or evict. The process that fills KEY holds DIR/partial/KEY.lock.
 * The modification time of an entry's folder is its last use. A killed process may leave a partial
 * folder, which is used again or evicted. It may also leave a folder in DIR/gone, which the next
 * process removes.
 */
#include "transfer/cache.h"

#include "base/clock.h"
#include "base/fileio.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/own.h"
#include "base/str.h"
#include "base/tree.h"
#include "transfer/cache_tree.h"

#include <dirent.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define WAIT_US (100 * 1000)

struct cache {
	char dir[PATH_MAX / 2];
	int dirfd, lock_fd;
	int64_t max_bytes;
};

struct victim {
	char path[NAME_MAX + 16]; /* relative to the cache */
	int64_t used_us, bytes;
	bool busy;
};

static bool is_key(const char *name)
{
	return strlen(name) == CACHE_KEY_LEN - 1 &&
	       strspn(name, "0123456789abcdef") == CACHE_KEY_LEN - 1;
}

static void path_of(const char *folder, const char *key, const char *end, char *buf, size_t size)
{
	str_must_format(buf, size, "%s%s%s", folder, key, end);
}

/* ---- open ---- */

/* Remove the folders of earlier evictions. Another process may do the same at the same time. */
static void clear_gone(const struct cache *c)
{
	if (path_exists(c->dirfd, "gone") && tree_remove(c->dirfd, "gone", NULL) < 0)
		return; /* only space is lost, until the next attempt */
}

int cache_open(const char *dir, int64_t max_bytes, struct cache **ret, struct err *reterr)
{
	struct cache *c;
	int r = dir_make(AT_FDCWD, dir, 0755, reterr);

	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_errno(reterr, ENOMEM, "open %s", dir);
	c->max_bytes = max_bytes;
	c->lock_fd = -1;
	c->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dirfd >= 0)
		c->lock_fd = openat(c->dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (c->lock_fd < 0 || !str_copy(c->dir, sizeof(c->dir), dir))
		r = err_errno(reterr, c->lock_fd < 0 ? errno : ENAMETOOLONG, "open %s", dir);
	if (r >= 0)
		r = dir_make(c->dirfd, "partial", 0755, reterr);
	if (r < 0) {
		cache_close(c);
		return r;
	}
	clear_gone(c);
	*ret = c;
	return 0;
}

void cache_close(struct cache *c)
{
	if (!c)
		return;
	closep(&c->lock_fd);
	closep(&c->dirfd);
	free(c);
}

static int lock_entries(const struct cache *c, int how, struct err *reterr)
{
	while (flock(c->lock_fd, how) < 0)
		if (errno != EINTR)
			return err_errno(reterr, errno, "lock %s", c->dir);
	return 0;
}

static void touch(int at, const char *path)
{
	if (utimensat(at, path, NULL, 0) < 0)
		return; /* the entry only counts as older than it is */
}

/* ---- filling ---- */

/* Lock one key. 1: locked; 0: another process holds the lock or has just removed it. */
static int try_lock(const struct cache *c, const char *name, int *ret_fd, struct err *reterr)
{
	OWN(closep) int fd = openat(c->dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	struct stat mine, there;

	if (fd < 0)
		return err_errno(reterr, errno, "open %s/%s", c->dir, name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK || errno == EINTR
			       ? 0
			       : err_errno(reterr, errno, "lock %s/%s", c->dir, name);
	if (fstat(fd, &mine) < 0 || fstatat(c->dirfd, name, &there, 0) < 0 ||
	    mine.st_ino != there.st_ino)
		return 0;
	*ret_fd = TAKE_FD(fd);
	return 1;
}

static void unlock(const struct cache *c, struct cache_fill *fill)
{
	char name[CACHE_KEY_LEN + 16];

	path_of("partial/", fill->key, ".lock", name, sizeof(name));
	unlinkat(c->dirfd, name, 0); /* the lock is held until the close below */
	closep(&fill->lock_fd);
	fill->lock_fd = -1;
}

int cache_begin(struct cache *c, const char *key, const volatile sig_atomic_t *stop,
		struct cache_fill *fill, struct err *reterr)
{
	char name[CACHE_KEY_LEN + 16];
	int r = 0;

	*fill = (struct cache_fill){.lock_fd = -1};
	if (!is_key(key) || !str_copy(fill->key, sizeof(fill->key), key))
		return err_set(reterr, ERR_INVALID, "'%s' is not a key of the cache", key);
	for (;;) {
		if (path_exists(c->dirfd, key))
			return 1;
		path_of("partial/", key, ".lock", name, sizeof(name));
		r = try_lock(c, name, &fill->lock_fd, reterr);
		if (r != 0)
			break;
		if (*stop)
			return err_set(
				reterr, ERR_CANCELLED,
				"the transfer was stopped while another job fetches the same data");
		usleep(WAIT_US);
	}
	if (r < 0)
		return r;
	if (path_exists(c->dirfd, key)) {
		unlock(c, fill);
		return 1;
	}
	path_of("partial/", key, "", name, sizeof(name));
	r = dir_make(c->dirfd, name, 0755, reterr);
	if (r >= 0 && !path_join(fill->path, sizeof(fill->path), c->dir, name))
		r = err_errno(reterr, ENAMETOOLONG, "open %s", c->dir);
	if (r < 0)
		unlock(c, fill);
	return r < 0 ? r : 0;
}

void cache_leave(struct cache *c, struct cache_fill *fill)
{
	touch(AT_FDCWD, fill->path);
	unlock(c, fill);
}

/* ---- eviction ---- */

static int by_use(const void *a, const void *b)
{
	const struct victim *x = a, *y = b;

	return (x->used_us > y->used_us) - (x->used_us < y->used_us);
}

static bool being_filled(const struct cache *c, const char *key)
{
	char name[CACHE_KEY_LEN + 16];
	OWN(closep) int fd = -1;

	path_of("partial/", key, ".lock", name, sizeof(name));
	fd = openat(c->dirfd, name, O_RDWR | O_CLOEXEC);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

static int add_victim(const struct cache *c, struct buf *list, const char *folder, const char *key)
{
	char full[PATH_MAX];
	struct victim v = {0};
	struct cache_facts facts;
	struct stat st;

	path_of(folder, key, "", v.path, sizeof(v.path));
	if (fstatat(c->dirfd, v.path, &st, 0) < 0 || !path_join(full, sizeof(full), c->dir, v.path))
		return 0;
	cache_tree_measure(full, &facts);
	v.used_us = (int64_t)st.st_mtim.tv_sec * USEC_PER_SEC + st.st_mtim.tv_nsec / 1000;
	v.bytes = facts.bytes;
	v.busy = folder[0] ? being_filled(c, key) : facts.linked;
	return buf_put(list, &v, sizeof(v));
}

static int list_victims(const struct cache *c, struct buf *list, const char *folder)
{
	int fd = openat(c->dirfd, *folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	int r = 0;

	if (!dir) {
		closep(&fd);
		return -errno;
	}
	while (r >= 0 && (d = readdir(dir)))
		if (is_key(d->d_name))
			r = add_victim(c, list, folder, d->d_name);
	closedir(dir);
	return r;
}

/* Rename into gone/ first, then remove: after a kill in between only the space in gone/ is lost. */
static int put_away(const struct cache *c, const char *path)
{
	char gone[ID_LEN + 16], id[ID_LEN];

	id_new('g', id);
	path_of("gone/", id, "", gone, sizeof(gone));
	if ((mkdirat(c->dirfd, "gone", 0755) < 0 && errno != EEXIST) ||
	    renameat(c->dirfd, path, c->dirfd, gone) < 0)
		return -errno;
	return 0;
}

/* Evict the least recently used entries that have no outside link. The caller holds the lock. */
static void evict(const struct cache *c, const char *keep)
{
	OWN(buf_done) struct buf list = BUF_INIT(64u << 20);
	int64_t total = 0;
	struct victim *v;

	if (c->max_bytes <= 0 || list_victims(c, &list, "") < 0 ||
	    list_victims(c, &list, "partial/") < 0 || !list.len)
		return;
	v = (struct victim *)list.data;
	for (size_t i = 0; i < list.len / sizeof(*v); i++)
		total += v[i].bytes;
	qsort(v, list.len / sizeof(*v), sizeof(*v), by_use);
	for (size_t i = 0; i < list.len / sizeof(*v) && total > c->max_bytes; i++) {
		if (v[i].busy || str_eq(v[i].path, keep) || put_away(c, v[i].path) < 0)
			continue;
		total -= v[i].bytes;
	}
}

int cache_commit(struct cache *c, struct cache_fill *fill, struct err *reterr)
{
	char partial[CACHE_KEY_LEN + 16];
	int r = cache_tree_seal(fill->path, reterr);

	path_of("partial/", fill->key, "", partial, sizeof(partial));
	if (r >= 0)
		r = lock_entries(c, LOCK_EX, reterr);
	if (r < 0) {
		cache_leave(c, fill);
		return r;
	}
	touch(c->dirfd, partial);
	if (renameat(c->dirfd, partial, c->dirfd, fill->key) < 0 || dir_sync(c->dirfd, ".") < 0)
		r = err_errno(reterr, errno, "put an entry into %s", c->dir);
	else
		evict(c, fill->key);
	flock(c->lock_fd, LOCK_UN);
	unlock(c, fill);
	clear_gone(c);
	return r < 0 ? r : 0;
}

/* ---- taking out ---- */

/* Drop an entry whose files a job has changed. Returns the error. */
static int drop_spoiled(struct cache *c, const char *key, const char *entry, struct err *reterr)
{
	struct cache_facts facts;
	int r = lock_entries(c, LOCK_EX, reterr);

	if (r < 0)
		return r;
	cache_tree_measure(entry, &facts); /* it may be a new entry by now */
	if (facts.spoiled)
		put_away(c, key);
	flock(c->lock_fd, LOCK_UN);
	clear_gone(c);
	return err_set(reterr, ERR_NOT_FOUND,
		       "the entry %s of the cache was changed; the job fetches it again", key);
}

int cache_take(struct cache *c, const char *key, const char *into, struct err *reterr)
{
	char entry[PATH_MAX];
	struct cache_facts facts;
	int r;

	if (!path_join(entry, sizeof(entry), c->dir, key))
		return err_errno(reterr, ENAMETOOLONG, "open %s", c->dir);
	r = lock_entries(c, LOCK_SH, reterr);
	if (r < 0)
		return r;
	if (!path_exists(c->dirfd, key)) {
		flock(c->lock_fd, LOCK_UN);
		return err_set(reterr, ERR_NOT_FOUND, "the cache has no entry %s", key);
	}
	cache_tree_measure(entry, &facts);
	if (facts.spoiled) {
		flock(c->lock_fd, LOCK_UN);
		return drop_spoiled(c, key, entry, reterr);
	}
	r = cache_tree_link(entry, into, reterr);
	touch(c->dirfd, key);
	flock(c->lock_fd, LOCK_UN);
	return r < 0 ? r : 0;
}
