/* SPDX-License-Identifier: MIT */
/*
 * The server: one thread accepts connections, and one thread for each connection answers as the
 * path says.
 */
#include "tests/unit/net_peer.h"

#include "base/own.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct net_peer peer = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void say(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(int fd, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void say_bytes(int fd, size_t n)
{
	char block[4096];

	memset(block, 'x', sizeof(block));
	while (n > 0) {
		size_t len = n < sizeof(block) ? n : sizeof(block);

		if (send(fd, block, len, MSG_NOSIGNAL) < 0)
			return;
		n -= len;
	}
}

static void hang(int fd)
{
	char byte;

	(void)!recv(fd, &byte, 1, 0);
}

static void answer(int fd, const char *path)
{
	if (str_starts(path, "/size/")) {
		size_t n = strtoul(path + 10, NULL, 10);

		say(fd, "HTTP/1.1 %.3s Because\r\nContent-Length: %zu\r\n\r\n", path + 6, n);
		say_bytes(fd, n);
	} else if (str_starts(path, "/head/")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: ");
		say_bytes(fd, strtoul(path + 6, NULL, 10));
		say(fd, "\r\n\r\nok");
	} else if (str_starts(path, "/half")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
		hang(fd);
	} else if (str_starts(path, "/hang")) {
		hang(fd);
	} else if (!str_starts(path, "/drop")) {
		say(fd, "HTTP/1.1 302 Found\r\nLocation: /drop\r\nX-Odd:  a b \r\n"
			"Content-Length: 2\r\n\r\nok");
	}
}

static size_t read_request(int fd, char *text)
{
	size_t len = 0, want = SIZE_MAX;

	while (len < want && len < PEER_REQUEST_MAX) {
		ssize_t n = recv(fd, text + len, PEER_REQUEST_MAX - len, 0);
		const char *body, *length;

		if (n <= 0)
			return 0;
		len += (size_t)n;
		text[len] = '\0';
		body = strstr(text, "\r\n\r\n");
		length = strcasestr(text, "\r\nContent-Length: ");
		if (body)
			want = (size_t)(body + 4 - text) +
			       (length && length < body ? strtoul(length + 18, NULL, 10) : 0);
	}
	return len;
}

static void *serve(void *arg)
{
	OWN(closep) int fd = (int)(intptr_t)arg;
	OWN(freep) char *text = malloc(PEER_REQUEST_MAX + 1);

	while (text && read_request(fd, text)) {
		const char *path = strchr(text, ' ') + 1;

		pthread_mutex_lock(&peer.lock);
		str_must_copy(peer.last, sizeof(peer.last), text);
		peer.requests++;
		pthread_cond_broadcast(&peer.changed);
		pthread_mutex_unlock(&peer.lock);
		answer(fd, path);
		if (!str_starts(path, "/size/"))
			break;
	}
	shutdown(fd, SHUT_RDWR);
	pthread_mutex_lock(&peer.lock);
	peer.connections--;
	pthread_cond_broadcast(&peer.changed);
	pthread_mutex_unlock(&peer.lock);
	return NULL;
}

static void *accept_all(void *arg)
{
	int fd;

	while ((fd = accept4(peer.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		pthread_t thread;

		pthread_mutex_lock(&peer.lock);
		peer.connections++;
		pthread_mutex_unlock(&peer.lock);
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0)
			abort();
		pthread_detach(thread);
	}
	return NULL;
}

void peer_await(size_t n)
{
	pthread_mutex_lock(&peer.lock);
	while (peer.requests < n)
		pthread_cond_wait(&peer.changed, &peer.lock);
	pthread_mutex_unlock(&peer.lock);
}

int peer_start(void **state)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	peer.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(peer.fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(peer.fd, 64) < 0 ||
	    getsockname(peer.fd, (struct sockaddr *)&addr, &len) < 0)
		return -1;
	snprintf(peer.url, sizeof(peer.url), "http://127.0.0.1:%d", ntohs(addr.sin_port));
	return pthread_create(&peer.thread, NULL, accept_all, NULL);
}

int peer_stop(void **state)
{
	shutdown(peer.fd, SHUT_RDWR);
	pthread_join(peer.thread, NULL);
	close(peer.fd);
	pthread_mutex_lock(&peer.lock);
	while (peer.connections > 0)
		pthread_cond_wait(&peer.changed, &peer.lock);
	pthread_mutex_unlock(&peer.lock);
	return 0;
}
