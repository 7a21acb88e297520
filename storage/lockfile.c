/* SPDX-License-Identifier: MIT */
/*
 * Takes both locks: flock(2) on the lock file, and an abstract socket whose name is made of the
 * directory's parent and name.
 */
#include "storage/lockfile.h"

#include "base/hash.h"
#include "base/own.h"
#include "base/str.h"
#include "storage/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define LOCKFILE_TEXT_MAX 128
#define PLACE_LEN	  64
/* connections are never accepted; a connect is enough to read the peer's user */
#define PLACE_BACKLOG	  SOMAXCONN

/* Cut the line at *at out of the text and advance *at. Returns NULL at the end. */
static char *next_line(char **at)
{
	char *line = *at, *end = strchr(line, '\n');

	if (!end)
		return NULL;
	*end = '\0';
	*at = end + 1;
	return line;
}

static void read_text(int fd, int64_t *ret_pid, struct lockfile *lf)
{
	char text[LOCKFILE_TEXT_MAX + 1], *at = text, *pid, *note, *space;
	ssize_t n = pread(fd, text, LOCKFILE_TEXT_MAX, 0);

	*ret_pid = 0;
	if (n <= 0)
		return;
	text[n] = '\0';
	pid = next_line(&at);
	if (!pid || str_to_i64(pid, ret_pid) < 0)
		return;
	note = next_line(&at);
	space = note ? strchr(note, ' ') : NULL;
	if (!space || space - note > LOCKFILE_GENERATION_MAX)
		return;
	*space = '\0';
	if (str_to_i64(space + 1, &lf->seq) == 0)
		str_must_copy(lf->generation, sizeof(lf->generation), note);
}

/* "trainyard-" and a hash of the parent directory and the name. The result is the same in every
 * mount namespace that has the same parent directory. */
static int name_place(const char *dir, char ret[PLACE_LEN], struct err *reterr)
{
	OWN(freep) char *real = realpath(dir, NULL);
	char *slash = real ? strrchr(real, '/') : NULL, text[PATH_MAX + 64], hex[HASH_HEX_LEN];
	struct stat parent;

	if (!slash)
		return err_errno(reterr, errno, "use the data directory %s", dir);
	*slash = '\0';
	if (stat(slash == real ? "/" : real, &parent) < 0)
		return err_errno(reterr, errno, "read the parent directory of %s", dir);
	str_must_format(text, sizeof(text), "%ju %ju %s", (uintmax_t)parent.st_dev,
			(uintmax_t)parent.st_ino, slash + 1);
	hash_bytes(text, strlen(text), hex);
	str_must_format(ret, PLACE_LEN, "trainyard-%.32s", hex);
	return 0;
}

static socklen_t address_of(const char *name, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	str_must_copy(ret->sun_path + 1, sizeof(ret->sun_path) - 1, name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(ret->sun_path + 1));
}

/* True if the kernel reports that our user or root listens on this name. */
static bool is_of_us(const char *name)
{
	OWN(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	struct ucred peer = {0};
	socklen_t address_len = address_of(name, &address), len = sizeof(peer);

	return fd >= 0 && connect(fd, (struct sockaddr *)&address, address_len) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

/* Returns the name of an abstract socket in a line of /proc/net/unix ("… @NAME") if the name begins
 * with `place`; else NULL. */
static const char *name_in(char *line, const char *place)
{
	char *at = strchr(line, '@');

	if (!at || !str_starts(at + 1, place))
		return NULL;
	at[1 + strcspn(at + 1, "\n")] = '\0';
	return at + 1;
}

static bool place_is_taken(const char *place, const char *own)
{
	FILE *list = fopen("/proc/net/unix", "re");
	char line[512];
	bool taken = false;

	while (list && !taken && fgets(line, sizeof(line), list)) {
		const char *name = name_in(line, place);

		taken = name && !str_eq(name, own) && is_of_us(name);
	}
	if (list)
		fclose(list);
	return taken;
}

/* Bind an own name first, then look for others. If two daemons start at once, at least one sees the
 * other. */
static int lock_place(const char *dir, int *ret_fd, struct err *reterr)
{
	OWN(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char place[PLACE_LEN], name[PLACE_LEN + ID_LEN + 1], unique[ID_LEN];
	struct sockaddr_un address;
	int r = name_place(dir, place, reterr);

	if (r < 0)
		return r;
	id_new('p', unique);
	str_must_format(name, sizeof(name), "%s-%s", place, unique);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, address_of(name, &address)) < 0 ||
	    listen(fd, PLACE_BACKLOG) < 0)
		return err_errno(reterr, errno, "lock the place of %s", dir);
	if (place_is_taken(place, name))
		return err_set(reterr, ERR_EXISTS,
			       "another trainyardd that was started on %s still runs, although its "
			       "data directory was renamed or deleted; stop that daemon first",
			       dir);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int lockfile_open(const char *dir, struct lockfile *ret, struct err *reterr)
{
	struct lockfile lf = {0};
	char path[PATH_MAX];
	OWN(closep) int fd = -1, place_fd = -1;
	int64_t pid;
	int r;

	if (snprintf(path, sizeof(path), "%s/%s", dir, STORE_LOCK_FILE) >= (int)sizeof(path))
		return err_errno(reterr, ENAMETOOLONG, "use the data directory %s", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(reterr, errno, "open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_errno(reterr, errno, "lock %s", path);
		read_text(fd, &pid, &lf);
		return err_set(reterr, ERR_EXISTS,
			       "the data directory %s is in use by another trainyardd (pid %" PRId64
			       "); stop that daemon, or use another data directory",
			       dir, pid);
	}
	r = lock_place(dir, &place_fd, reterr);
	if (r < 0)
		return r;
	read_text(fd, &pid, &lf);
	lf.fd = TAKE_FD(fd);
	lf.place_fd = TAKE_FD(place_fd);
	*ret = lf;
	return 0;
}

void lockfile_note(struct lockfile *lf, const char *generation, int64_t seq)
{
	char text[LOCKFILE_TEXT_MAX];
	int n = snprintf(text, sizeof(text), "%d\n%s %" PRId64 "\n", (int)getpid(), generation,
			 seq);

	/* A longer old note may leave text after the second line; readers ignore it. */
	(void)!pwrite(lf->fd, text, (size_t)n, 0);
	lf->seq = seq;
}

void lockfile_close(struct lockfile *lf)
{
	if (lf->fd > 0) { /* both descriptors are open, or neither */
		close(lf->place_fd);
		close(lf->fd);
	}
	lf->fd = -1;
}
