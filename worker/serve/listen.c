/* SPDX-License-Identifier: MIT */
/* Binds the socket of a server in its execution directory. */
#include "worker/serve/listen.h"

#include "base/fileio.h"
#include "base/own.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 128

int serve_listen(int work_at, const char *name, struct err *reterr)
{
	OWN(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr;
	socklen_t len;
	int r;

	if (fd < 0)
		return err_errno(reterr, errno, "make a socket");
	unlinkat(work_at, name, 0);
	r = socket_address(work_at, name, &addr, &len);
	if (r >= 0 && (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 ||
		       listen(fd, BACKLOG) < 0))
		r = -errno;
	return r < 0 ? err_errno(reterr, -r, "listen on %s", name) : TAKE_FD(fd);
}
