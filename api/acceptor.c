/* SPDX-License-Identifier: MIT */
/*
 * The acceptor thread: an epoll loop over both listeners, the open connections and an eventfd that
 * wakes it. It pauses a listener if descriptors run out, and drops or refuses connections at the
 * limits.
 */
#include "api/acceptor.h"

#include "api/bare.h"
#include "api/context.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "base/thread.h"
#include "daemon/feed.h"
#include "daemon/manager.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define EVENTS_MAX   64
#define TICK_MS	     200
#define REST_US	     (250 * 1000) /* without free descriptors: pause before the next try */
#define STACK_BYTES  (128 << 10)
#define DOORS	     2
#define WARN_US	     (60 * USEC_PER_SEC)
#define SERIAL_SHIFT 32

/* The data of an epoll event: a listener by its index, the eventfd `bell`, or a connection by
 * serial and descriptor. */
enum {
	EVENT_BELL = DOORS,
	/* serials begin with 1, so the values of connections are larger than these */
	EVENT_CONNECTIONS,
};

struct acceptor {
	struct api *api;
	struct connections *all;
	struct listener *doors[DOORS];
	bool resting[DOORS]; /* True if the listener is not polled at the moment */
	pthread_t thread;
	int epoll, bell;
	int fds_max;
	int64_t rest_until_us; /* end of the pause after descriptors ran out */
	int64_t warned_us;
	atomic_bool quiet, stop;
	sem_t quieted; /* posted after the thread has seen `quiet` */
};

static void ring(void *userdata)
{
	struct acceptor *a = userdata;
	uint64_t one = 1;

	if (write(a->bell, &one, sizeof(one)) < 0)
		return; /* the eventfd is already set */
}

/* Identify the peer for its share of connections: the address, or the process on the unix
 * socket. */
static void name_peer(int fd, char *ret, size_t size)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	struct ucred cred;

	str_must_copy(ret, size, "unknown");
	if (getpeername(fd, (struct sockaddr *)&at, &len) < 0)
		return;
	if (at.ss_family == AF_INET) {
		inet_ntop(AF_INET, &((struct sockaddr_in *)&at)->sin_addr, ret, (socklen_t)size);
	} else if (at.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&at)->sin6_addr, ret, (socklen_t)size);
	} else {
		len = sizeof(cred);
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
			snprintf(ret, size, "process %ld", (long)cred.pid);
	}
}

static void listen_again(struct acceptor *a, int door, bool on)
{
	struct epoll_event ev = {.events = on ? EPOLLIN : 0, .data.u64 = (uint64_t)door};

	epoll_ctl(a->epoll, EPOLL_CTL_MOD, a->doors[door]->fd, &ev);
	a->resting[door] = !on;
}

static void warn_once(struct acceptor *a, int error)
{
	int64_t now = clock_mono_us();

	if (a->warned_us && now - a->warned_us < WARN_US)
		return;
	a->warned_us = now;
	log_event(
		LOG_LEVEL_WARNING, "accept_pauses",
		"connections=%d msg=\"no descriptors are left for connections (%s): clients wait; "
		"raise LimitNOFILE or lower http.connections_max\"",
		connections_count(a->all), strerror(error));
}

/* Descriptors have run out: drop the connections that wait longest and pause this listener. */
static void rest(struct acceptor *a, int door, int error)
{
	int dropped = 0;

	listen_again(a, door, false);
	while (dropped < ACCEPTOR_DROPPING_MAX / 2 &&
	       connections_drop_oldest(a->all, a->doors, DOORS))
		dropped++;
	if (dropped)
		return; /* the eventfd wakes this thread after one of them is closed */
	warn_once(a, error);
	a->rest_until_us = clock_mono_us() + REST_US;
}

/* The last descriptors are reserved for jobs: reply 503 without reading the request. */
static void refuse(int fd)
{
	bare_reply(fd, 503, "busy",
		   "the daemon has too few file descriptors left; try again later");
	close(fd);
}

static void take_in(struct acceptor *a, struct listener *l, int fd)
{
	struct sockaddr_storage at;
	struct epoll_event ev = {.events = EPOLLRDHUP | EPOLLET};
	socklen_t len = sizeof(at);
	char peer[CONNECTION_PEER_MAX];
	struct connection *c;

	name_peer(fd, peer, sizeof(peer));
	if (getpeername(fd, (struct sockaddr *)&at, &len) < 0) { /* the client has already left */
		close(fd);
		return;
	}
	c = connection_open(a->all, l, fd, peer);
	if (!c) {
		close(fd);
		return;
	}
	ev.data.u64 = (uint64_t)c->serial << SERIAL_SHIFT | (uint32_t)fd;
	epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &ev);
	/* On failure the library closes the descriptor without a callback. */
	if (!connection_serve(l, fd, (struct sockaddr *)&at, len))
		connection_close(c);
}

/* Make room only if a client waits. */
static void answer_door(struct acceptor *a, int door)
{
	struct listener *l = a->doors[door];
	int fd;

	if (clock_mono_us() < a->rest_until_us || !connections_make_room(a->all, l)) {
		listen_again(a, door, false);
		return;
	}
	fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			rest(a, door, errno);
	} else if (fd < a->fds_max || connections_drop_oldest(a->all, a->doors, DOORS)) {
		take_in(a, l, fd);
	} else {
		refuse(fd);
		rest(a, door, EMFILE);
	}
}

static void handle(struct acceptor *a, const struct epoll_event *ev)
{
	uint64_t what = ev->data.u64, count;

	if (what < DOORS && a->quiet)
		return;
	if (what < DOORS)
		answer_door(a, (int)what);
	else if (what == EVENT_BELL)
		(void)!read(a->bell, &count, sizeof(count));
	else
		connections_hung_up(a->all, (int)(uint32_t)what, (uint32_t)(what >> SERIAL_SHIFT));
}

static void tick(struct acceptor *a)
{
	int64_t now = clock_mono_us();
	bool full = false, left = false;

	for (int i = 0; i < DOORS; i++) {
		if (a->doors[i]->fd < 0)
			continue;
		left = connections_reap(a->all, a->doors[i], now) || left;
		full = full || a->resting[i];
		if (a->resting[i] && !a->quiet && now >= a->rest_until_us)
			listen_again(a, i, true);
	}
	/* Long polls and followers whose clients have left occupy connections: wake them, so that
	 * they check. */
	if (full && left && !a->quiet)
		feed_expire(manager_feed(a->api->manager), USEC_NEVER);
}

static void *acceptor_thread(void *userdata)
{
	struct acceptor *a = userdata;
	struct epoll_event events[EVENTS_MAX];
	int64_t ticked_us = 0;
	bool posted = false;

	while (!a->stop) {
		bool busy = connections_count(a->all) > 0 || a->resting[0] || a->resting[1];
		bool rung = false;
		int n;

		if (a->quiet && !posted)
			posted = sem_post(&a->quieted) == 0;
		n = epoll_wait(a->epoll, events, EVENTS_MAX, busy ? TICK_MS : -1);
		for (int i = 0; i < n; i++) {
			handle(a, &events[i]);
			rung = rung || events[i].data.u64 == EVENT_BELL;
		}
		if (!rung && clock_mono_us() - ticked_us < TICK_MS * 1000)
			continue;
		ticked_us = clock_mono_us();
		tick(a);
	}
	return NULL;
}

static int watch(struct acceptor *a, int fd, uint64_t what, struct err *reterr)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = what};

	if (fd < 0 || epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &ev) == 0)
		return 0;
	return err_errno(reterr, errno, "start the HTTP server");
}

static int start_thread(struct acceptor *a, struct err *reterr)
{
	int r = thread_start(STACK_BYTES, acceptor_thread, a, &a->thread);

	return r < 0 ? err_errno(reterr, -r, "start the HTTP server") : 0;
}

static void acceptor_free(struct acceptor *a)
{
	closep(&a->epoll);
	closep(&a->bell);
	sem_destroy(&a->quieted);
	free(a);
}

int acceptor_start(struct api *api, struct connections *all, struct acceptor **ret,
		   struct err *reterr)
{
	struct acceptor *a = calloc(1, sizeof(*a));
	struct rlimit files = {.rlim_cur = 1024};
	int r = 0;

	if (!a)
		return err_errno(reterr, ENOMEM, "start the HTTP server");
	*a = (struct acceptor){.api = api, .all = all, .doors = {&api->tcp, &api->local}};
	sem_init(&a->quieted, 0, 0);
	getrlimit(RLIMIT_NOFILE, &files);
	a->fds_max = files.rlim_cur > INT_MAX ? INT_MAX : (int)files.rlim_cur;
	a->fds_max -= a->fds_max > 2 * ACCEPTOR_FDS_SPARE ? ACCEPTOR_FDS_SPARE : a->fds_max / 2;
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	a->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->epoll < 0 || a->bell < 0)
		r = err_errno(reterr, errno, "start the HTTP server");
	for (int i = 0; i < DOORS && r >= 0; i++)
		r = watch(a, a->doors[i]->fd, (uint64_t)i, reterr);
	if (r >= 0)
		r = watch(a, a->bell, EVENT_BELL, reterr);
	connections_on_room(all, ring, a);
	if (r >= 0)
		r = start_thread(a, reterr);
	if (r < 0) {
		connections_on_room(all, NULL, NULL);
		acceptor_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void acceptor_quiesce(struct acceptor *a)
{
	for (int i = 0; i < DOORS; i++)
		if (a->doors[i]->fd >= 0)
			epoll_ctl(a->epoll, EPOLL_CTL_DEL, a->doors[i]->fd, NULL);
	a->quiet = true;
	ring(a);
	while (sem_wait(&a->quieted) < 0 && errno == EINTR)
		;
}

void acceptor_stop(struct acceptor *a)
{
	if (!a)
		return;
	a->stop = true;
	ring(a);
	pthread_join(a->thread, NULL);
	acceptor_free(a);
}
