/* SPDX-License-Identifier: MIT */
/* api/acceptor without a server: what it still does once it has to be quiet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/acceptor.h"
#include "api/context.h"
#include "base/clock.h"
#include "base/own.h"
#include "daemon/feed.h"
#include "daemon/manager.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define AWAIT_US (10 * USEC_PER_SEC)
#define HOLD_US	 (USEC_PER_SEC / 4) /* how long a step of the thread waits for a wrong return */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool inside, returned, too_early;
	int served;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* In the place of libmicrohttpd: it takes a while. */
bool connection_serve(struct listener *l, int fd, const struct sockaddr *at, socklen_t len)
{
	int64_t until_us = clock_mono_us() + HOLD_US;

	pthread_mutex_lock(&seen.lock);
	seen.inside = true;
	pthread_cond_broadcast(&seen.changed);
	while (!seen.returned && clock_mono_us() < until_us)
		cond_wait_us(&seen.changed, &seen.lock, HOLD_US);
	seen.too_early = seen.returned;
	seen.served++;
	pthread_mutex_unlock(&seen.lock);
	close(fd);
	return false;
}

struct feed *manager_feed(struct manager *mgr)
{
	return NULL;
}

void feed_expire(struct feed *f, int64_t now_us)
{
}

static int listen_here(struct sockaddr_in *ret)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*ret);

	*ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)ret, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	return fd;
}

static int knock(const struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)at, sizeof(*at)), 0);
	return fd;
}

static void await_inside(void)
{
	int64_t until_us = clock_mono_us() + AWAIT_US;

	pthread_mutex_lock(&seen.lock);
	while (!seen.inside && clock_mono_us() < until_us)
		cond_wait_us(&seen.changed, &seen.lock, AWAIT_US);
	assert_true(seen.inside);
	pthread_mutex_unlock(&seen.lock);
}

struct house {
	struct api api;
	struct connections *all;
	struct acceptor *acceptor;
	struct sockaddr_in at;
};

static void house_open(struct house *h)
{
	struct connection_limits limits = {
		.max = 8, .dropping_max = 4, .bodies_max = 1, .idle_s = 60};

	*h = (struct house){.all = connections_new(&limits)};
	assert_non_null(h->all);
	h->api.tcp = (struct listener){.api = &h->api, .fd = listen_here(&h->at)};
	h->api.local = (struct listener){.api = &h->api, .fd = -1, .local = true};
	connection_door_init(&h->api.tcp.door);
	connection_door_init(&h->api.local.door);
}

static void house_start(struct house *h)
{
	assert_int_equal(acceptor_start(&h->api, h->all, &h->acceptor, NULL), 0);
}

static void house_close(struct house *h)
{
	acceptor_stop(h->acceptor);
	close(h->api.tcp.fd);
	connections_free(h->all);
}

static void test_quiet_means_that_its_thread_is_through(void **state)
{
	struct house h;
	OWN(closep) int first = -1;
	OWN(closep) int second = -1;

	house_open(&h);
	house_start(&h);
	first = knock(&h.at);
	await_inside();
	acceptor_quiesce(h.acceptor);
	pthread_mutex_lock(&seen.lock);
	seen.returned = true;
	pthread_cond_broadcast(&seen.changed);
	pthread_mutex_unlock(&seen.lock);
	second = knock(&h.at);
	house_close(&h);
	assert_int_equal(seen.served, 1);
	assert_false(seen.too_early);
}

/* close() with the request unread would reset the connection. */
static void test_without_descriptors_the_503_arrives(void **state)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char answer[1024];
	struct rlimit files, few;
	struct house h;
	OWN(closep) int client = -1;
	int taken[ACCEPTOR_FDS_SPARE];
	socklen_t size = sizeof(int);
	size_t len = 0;
	ssize_t n;
	int reset;

	house_open(&h);
	client = knock(&h.at);
	assert_int_equal(write(client, request, strlen(request)), strlen(request));
	getrlimit(RLIMIT_NOFILE, &files);
	few = (struct rlimit){.rlim_cur = 2 * ACCEPTOR_FDS_SPARE, .rlim_max = files.rlim_max};
	for (int i = 0; i < ACCEPTOR_FDS_SPARE; i++) /* the next is a spare one */
		taken[i] = dup(STDERR_FILENO);
	setrlimit(RLIMIT_NOFILE, &few);
	house_start(&h);
	setrlimit(RLIMIT_NOFILE, &files);
	while ((n = read(client, answer + len, sizeof(answer) - len)) > 0)
		len += (size_t)n;
	assert_int_equal(n, 0);
	assert_true(len > strlen("HTTP/1.1 503 "));
	assert_memory_equal(answer, "HTTP/1.1 503 ", strlen("HTTP/1.1 503 "));
	house_close(&h);
	assert_int_equal(getsockopt(client, SOL_SOCKET, SO_ERROR, &reset, &size), 0);
	assert_int_equal(reset, 0);
	for (int i = 0; i < ACCEPTOR_FDS_SPARE; i++)
		close(taken[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet_means_that_its_thread_is_through),
		cmocka_unit_test(test_without_descriptors_the_503_arrives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
