/* SPDX-License-Identifier: MIT */
/*
 * Opens the TCP socket and the unix socket. The unix socket is bound relative to its directory, so
 * that its path may exceed the 108 bytes of an address. api/server.c calls this.
 */
#include "api/listen.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG	    4096
#define SOCKET_MODE 0660

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Split "ADDR:PORT" into the host, without brackets, and the port. */
static int split(const char *listen_at, char *host, size_t size, uint16_t *ret_port)
{
	const char *colon = strrchr(listen_at, ':');
	const char *start = listen_at;
	int64_t port;
	size_t n;

	if (!colon || str_to_i64(colon + 1, &port) < 0 || port < 0 || port > UINT16_MAX)
		return -EINVAL;
	n = (size_t)(colon - listen_at);
	if (n >= 2 && start[0] == '[' && start[n - 1] == ']') {
		start++;
		n -= 2;
	} else if (memchr(start, ':', n)) {
		return -EINVAL; /* a bare IPv6 address: the port is ambiguous */
	}
	if (!n || n >= size)
		return -EINVAL;
	memcpy(host, start, n);
	host[n] = '\0';
	*ret_port = (uint16_t)port;
	return 0;
}

static int refuse_address(const char *listen_at, struct err *reterr)
{
	return err_set(reterr, ERR_UNSUPPORTED,
		       "cannot listen on '%s': everybody who reaches a port beyond loopback could "
		       "run code on this machine; use 127.0.0.1 and a tunnel or a proxy",
		       listen_at);
}

static int address_of(const char *listen_at, const char *host, uint16_t port, union address *ret,
		      socklen_t *ret_len, struct err *reterr)
{
	const char *literal = str_eq(host, "localhost") ? "127.0.0.1" : host;
	bool loopback;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, literal, &ret->v4.sin_addr) == 1) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons(port);
		*ret_len = sizeof(ret->v4);
		loopback = ntohl(ret->v4.sin_addr.s_addr) >> 24 == 127;
	} else if (inet_pton(AF_INET6, literal, &ret->v6.sin6_addr) == 1) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons(port);
		*ret_len = sizeof(ret->v6);
		loopback = IN6_IS_ADDR_LOOPBACK(&ret->v6.sin6_addr);
	} else {
		return err_set(reterr, ERR_INVALID,
			       "cannot listen on '%s': '%s' is not a numeric address; write one "
			       "such as 127.0.0.1",
			       listen_at, host);
	}
	return loopback ? 0 : refuse_address(listen_at, reterr);
}

int listen_tcp(const char *listen_at, int *ret_fd, char *host, size_t host_size, uint16_t *ret_port,
	       struct err *reterr)
{
	OWN(closep) int fd = -1;
	union address at;
	socklen_t len = 0;
	uint16_t port;
	int on = 1, r;

	if (split(listen_at, host, host_size, &port) < 0)
		return err_set(reterr, ERR_INVALID,
			       "cannot listen on '%s': write ADDRESS:PORT, such as 127.0.0.1:8470 "
			       "or [::1]:8470",
			       listen_at);
	r = address_of(listen_at, host, port, &at, &len, reterr);
	if (r < 0)
		return r;
	fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(reterr, errno, "listen on %s", listen_at);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &at.any, len) < 0 || listen(fd, BACKLOG) < 0)
		return err_errno(reterr, errno, "listen on %s", listen_at);
	if (getsockname(fd, &at.any, &len) < 0)
		return err_errno(reterr, errno, "listen on %s", listen_at);
	*ret_port = ntohs(at.any.sa_family == AF_INET ? at.v4.sin_port : at.v6.sin6_port);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int listen_passed(int fd, char *host, size_t host_size, uint16_t *ret_port, struct err *reterr)
{
	union address at;
	socklen_t len = sizeof(at);
	char text[INET6_ADDRSTRLEN];
	bool v4, loopback;

	if (getsockname(fd, &at.any, &len) < 0)
		return err_errno(reterr, errno, "use the passed TCP socket");
	v4 = at.any.sa_family == AF_INET;
	loopback = v4 ? ntohl(at.v4.sin_addr.s_addr) >> 24 == 127
		      : IN6_IS_ADDR_LOOPBACK(&at.v6.sin6_addr);
	inet_ntop(at.any.sa_family, v4 ? (void *)&at.v4.sin_addr : (void *)&at.v6.sin6_addr, text,
		  sizeof(text));
	if (!loopback)
		return refuse_address(text, reterr);
	str_must_copy(host, host_size, text);
	*ret_port = ntohs(v4 ? at.v4.sin_port : at.v6.sin6_port);
	return 0;
}

/* Remove the socket of a daemon that has ended. */
static int remove_stale(int dirfd, const char *name, const struct sockaddr_un *at, socklen_t len,
			const char *path, struct err *reterr)
{
	OWN(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return err_errno(reterr, errno, "listen on %s", path);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_errno(reterr, EEXIST, "listen on %s, which is a file and no socket",
				 path);
	if (connect(fd, (const struct sockaddr *)at, len) == 0 || errno == EAGAIN)
		return err_errno(reterr, EADDRINUSE,
				 "listen on %s, on which another daemon listens", path);
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return err_errno(reterr, errno, "replace the stale socket %s", path);
	return 0;
}

int listen_unix(const char *path, int *ret_fd, struct err *reterr)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	OWN(closep) int dirfd = -1;
	OWN(closep) int fd = -1;
	char dir[PATH_MAX] = ".";
	struct sockaddr_un at;
	socklen_t len;
	int r;

	if (slash && (size_t)(slash - path) < sizeof(dir)) {
		memcpy(dir, path, (size_t)(slash - path) + 1);
		dir[slash - path + 1] = '\0';
	}
	dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0 || !*name)
		return err_errno(reterr, *name ? errno : EINVAL, "listen on %s", path);
	r = socket_address(dirfd, name, &at, &len);
	if (r < 0)
		return err_errno(reterr, -r, "listen on %s", path);
	r = remove_stale(dirfd, name, &at, len, path, reterr);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The mode of the descriptor limits the mode of the new file: the socket is never open to
	 * others, not even between bind and chmod. */
	if (fd < 0 || fchmod(fd, SOCKET_MODE) < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 ||
	    fchmodat(dirfd, name, SOCKET_MODE, 0) < 0 || listen(fd, BACKLOG) < 0)
		return err_errno(reterr, errno, "listen on %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}
