/* SPDX-License-Identifier: MIT */
/*
 * Enters a mount namespace (a user namespace first, if the user is not root), makes /opt/ml in it,
 * and mounts channels as overlays.
 */
#include "worker/script/optml.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define OPT	"/opt"
#define OVERLAY ".opt" /* in the work directory; the new /opt is made there */

static int write_proc(const char *path, const char *text)
{
	OWN(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
}

/* Enter a user namespace with our own ids, which gives the right to mount. */
static int enter_user_namespace(struct err *reterr)
{
	char uid[64], gid[64];
	int r = 0;

	snprintf(uid, sizeof(uid), "%u %u 1", geteuid(), geteuid());
	snprintf(gid, sizeof(gid), "%u %u 1", getegid(), getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return err_errno(reterr, errno, "make a user and mount namespace");
	r = write_proc("/proc/self/setgroups", "deny");
	if (r >= 0)
		r = write_proc("/proc/self/uid_map", uid);
	if (r >= 0)
		r = write_proc("/proc/self/gid_map", gid);
	return r < 0 ? err_errno(reterr, -r, "map our user into a namespace") : 0;
}

static int enter_namespace(struct err *reterr)
{
	if (unshare(CLONE_NEWNS) < 0) {
		int r = enter_user_namespace(reterr);

		if (r < 0)
			return r;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(reterr, errno, "make the mounts private");
	return 0;
}

/* Make one entry of /opt visible below `overlay`. */
static int overlay_entry(int opt, int overlay_fd, const char *overlay, const char *name)
{
	char from[PATH_MAX], to[PATH_MAX], target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (!path_join(from, sizeof(from), OPT, name) || !path_join(to, sizeof(to), overlay, name))
		return -ENAMETOOLONG;
	if (fstatat(opt, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(opt, name, target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		return symlinkat(target, overlay_fd, name) < 0 ? -errno : 0;
	}
	if (S_ISDIR(st.st_mode) ? mkdirat(overlay_fd, name, 0755) < 0
				: mknodat(overlay_fd, name, S_IFREG | 0644, 0) < 0)
		return -errno;
	return mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0 ? -errno : 0;
}

static int overlay_entries(const char *overlay)
{
	OWN(closedirp) DIR *opt = opendir(OPT);
	OWN(closep) int fd = open(overlay, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	int r = 0;

	if (!opt || fd < 0)
		return -errno;
	while (r >= 0 && (e = readdir(opt)))
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			r = overlay_entry(dirfd(opt), fd, overlay, e->d_name);
	if (r >= 0 && mkdirat(fd, &OPTML[sizeof(OPT)], 0755) < 0)
		r = -errno;
	return r;
}

/* Make a new /opt in our namespace, with all its entries and "ml", if the machine has no
 * /opt/ml. */
static int replace_opt(const char *work, struct err *reterr)
{
	char overlay[PATH_MAX];
	int r = 0;

	if (!path_join(overlay, sizeof(overlay), work, OVERLAY))
		return err_errno(reterr, ENAMETOOLONG, "make directory " OVERLAY);
	if (mkdir(overlay, 0755) < 0 && errno != EEXIST)
		return err_errno(reterr, errno, "make directory " OVERLAY);
	if (mount("tmpfs", overlay, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") < 0)
		return err_errno(reterr, errno, "mount a tmpfs");
	r = overlay_entries(overlay);
	if (r >= 0 && mount(overlay, OPT, NULL, MS_BIND | MS_REC, NULL) < 0)
		r = -errno;
	umount2(overlay, MNT_DETACH);
	rmdir(overlay);
	return r < 0 ? err_errno(reterr, -r, "put together a new " OPT) : 0;
}

int optml_enter(const char *work, struct err *reterr)
{
	int r;

	if (!path_is_dir(AT_FDCWD, OPT))
		return err_set(reterr, ERR_UNSUPPORTED, "this machine has no " OPT);
	r = enter_namespace(reterr);
	if (r >= 0 && !path_is_dir(AT_FDCWD, OPTML))
		r = replace_opt(work, reterr);
	if (r < 0)
		return r;
	if (mount(work, OPTML, NULL, MS_BIND | MS_REC, NULL) < 0)
		return err_errno(reterr, errno, "mount the work directory at " OPTML);
	return 0;
}

/* Write the options of an overlay. False if they cannot express `dir`. */
static bool overlay_options(char *buf, size_t size, const char *dir, const char *scratch,
			    const char *more)
{
	if (strpbrk(dir, ":,\\\"") || strpbrk(scratch, ":,\\\""))
		return false;
	return snprintf(buf, size,
			"lowerdir=%s,upperdir=" OPTML "/%s/upper,workdir=" OPTML "/%s/work%s", dir,
			scratch, scratch, more) < (int)size;
}

static bool overlay_mount(const char *dir, const char *target, const char *scratch)
{
	static const char *const more[] = {",userxattr", ""};
	char options[3 * PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		if (overlay_options(options, sizeof(options), dir, scratch, more[i]) &&
		    mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, options) == 0)
			return true;
	return false;
}

int optml_channel(const char *dir, const char *at, const char *scratch, struct err *reterr)
{
	char target[PATH_MAX], layer[PATH_MAX];

	if (snprintf(target, sizeof(target), OPTML "/%s", at) >= (int)sizeof(target))
		return err_errno(reterr, ENAMETOOLONG, "mount %s", dir);
	for (int i = 0; i < 2; i++) {
		int n = snprintf(layer, sizeof(layer), OPTML "/%s/%s", scratch,
				 i ? "work" : "upper");

		if (n >= (int)sizeof(layer) || (mkdir(layer, 0755) < 0 && errno != EEXIST))
			return err_errno(reterr, errno, "make the scratch layer of %s", at);
	}
	if (overlay_mount(dir, target, scratch))
		return 0;
	if (mount(dir, target, NULL, MS_BIND | MS_REC, NULL) < 0)
		return err_errno(reterr, errno, "mount %s at %s", dir, target);
	return 0;
}

void optml_channel_end(const char *at)
{
	char target[PATH_MAX];

	if (snprintf(target, sizeof(target), OPTML "/%s", at) < (int)sizeof(target))
		umount2(target, MNT_DETACH);
}
