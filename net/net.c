/* SPDX-License-Identifier: MIT */
/* The net thread: its queues, its loop, and curl's sockets and timer on the loop. */
#include "base/own.h"
#include "base/thread.h"
#include "net/internal.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define STACK_BYTES (512 << 10)

/* ---- curl on the loop ---- */

static void collect_done(struct net *n)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(n->multi, &left))) {
		struct exchange *x;
		CURLcode code;

		if (msg->msg != CURLMSG_DONE)
			continue;
		code = msg->data.result; /* msg is freed with the handle */
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&x);
		exchange_end(x, code);
	}
}

static void socket_act(struct net *n, curl_socket_t fd, int flags)
{
	int running;

	curl_multi_socket_action(n->multi, fd, flags, &running);
	collect_done(n);
}

static int on_socket_ready(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	int flags = (revents & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
		    (revents & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		    (revents & EPOLLERR ? CURL_CSELECT_ERR : 0);

	socket_act(userdata, fd, flags);
	return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socketp)
{
	struct net *n = userdata;
	sd_event_source *source = socketp;
	uint32_t events =
		(what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);

	if (what == CURL_POLL_REMOVE) {
		loop_drop(&source);
		curl_multi_assign(n->multi, fd, NULL);
		return 0;
	}
	if (source)
		return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
	if (sd_event_add_io(n->loop, &source, fd, events, on_socket_ready, n) < 0)
		return -1;
	curl_multi_assign(n->multi, fd, source);
	return 0;
}

static int on_timer(sd_event_source *s, uint64_t at, void *userdata)
{
	socket_act(userdata, CURL_SOCKET_TIMEOUT, 0);
	return 0;
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *userdata)
{
	struct net *n = userdata;

	if (timeout_ms < 0) {
		if (n->timer)
			sd_event_source_set_enabled(n->timer, SD_EVENT_OFF);
		return 0;
	}
	return loop_after_us(n->loop, &n->timer, timeout_ms * 1000, on_timer, n) < 0 ? -1 : 0;
}

/* ---- tasks ---- */

static void task_run(struct net_task *task, bool stopped)
{
	sd_event_source *source = task->source;
	struct net *n = task->net;

	STAILQ_REMOVE(&n->waiting, task, net_task, link);
	loop_drop(&source);
	task->source = NULL;
	task->fn(task, stopped);
}

void net_hurry(struct net_task *task)
{
	task_run(task, false);
}

static int on_task(sd_event_source *s, uint64_t at, void *userdata)
{
	task_run(userdata, false);
	return 0;
}

static void task_start(struct net *n, struct net_task *task)
{
	sd_event_source *source = NULL;

	if (task->delay_us <= 0) {
		task->fn(task, false);
		return;
	}
	STAILQ_INSERT_HEAD(&n->waiting, task, link);
	if (loop_after_us(n->loop, &source, task->delay_us, on_task, task) < 0)
		task_run(task, true);
	else
		task->source = source;
}

/* ---- the thread ---- */

static void end_all(struct net *n)
{
	while (n->exchanges)
		exchange_abort(n->exchanges, ERR_UNAVAILABLE, "the program is stopping");
	while (!STAILQ_EMPTY(&n->waiting))
		task_run(STAILQ_FIRST(&n->waiting), true);
}

static void start_all(struct net *n, struct net_requests *list, bool stop)
{
	struct net_request *rq;

	while ((rq = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, link);
		if (stop) {
			rq->result = err_set(&rq->err, ERR_UNAVAILABLE, "the program is stopping");
			net_request_over(n, rq);
		} else {
			exchange_start(n, rq);
		}
	}
}

static void cancel_one(struct net *n, const struct net_request *rq)
{
	for (struct exchange *x = n->exchanges; x; x = x->next) {
		if (x->rq != rq)
			continue;
		exchange_abort(x, ERR_CANCELLED, "the request was cancelled");
		return;
	}
}

static int on_wake(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct net *n = userdata;
	struct net_requests requests = STAILQ_HEAD_INITIALIZER(requests);
	struct net_tasks tasks = STAILQ_HEAD_INITIALIZER(tasks);
	struct net_request *cancels[NET_REQUESTS_MAX];
	struct net_task *task;
	size_t cancels_n;
	uint64_t count;
	bool stop;

	(void)!read(fd, &count, sizeof(count));
	pthread_mutex_lock(&n->lock);
	STAILQ_CONCAT(&requests, &n->inbox);
	STAILQ_CONCAT(&tasks, &n->tasks);
	cancels_n = n->cancels_n;
	memcpy(cancels, n->cancels, cancels_n * sizeof(cancels[0]));
	n->cancels_n = 0;
	stop = n->stopping;
	pthread_mutex_unlock(&n->lock);
	start_all(n, &requests, stop);
	for (size_t i = 0; i < cancels_n; i++)
		cancel_one(n, cancels[i]);
	while ((task = STAILQ_FIRST(&tasks))) {
		STAILQ_REMOVE_HEAD(&tasks, link);
		task_start(n, task);
	}
	if (stop) {
		end_all(n);
		sd_event_exit(n->loop, 0);
	}
	return 0;
}

static void *net_thread(void *userdata)
{
	struct net *n = userdata;

	pthread_setname_np(pthread_self(), "net");
	sd_event_loop(n->loop);
	return NULL;
}

static void net_release(struct net *n)
{
	if (n->multi)
		curl_multi_cleanup(n->multi); /* it still uses the timer */
	loop_drop(&n->timer);
	sd_event_unref(n->loop);
	if (n->wake_fd >= 0)
		close(n->wake_fd);
	pthread_mutex_destroy(&n->lock);
	free(n->ca_bundle);
	free(n->user_agent);
	free(n);
}

static int set_up(struct net *n)
{
	int r = n->wake_fd < 0 ? -errno : sd_event_new(&n->loop);

	if (r >= 0)
		r = sd_event_add_io(n->loop, NULL, n->wake_fd, EPOLLIN, on_wake, n);
	if (r < 0)
		return r;
	n->multi = curl_multi_init();
	if (!n->multi || !n->user_agent || (n->settings.ca_bundle && !n->ca_bundle))
		return -ENOMEM;
	curl_multi_setopt(n->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(n->multi, CURLMOPT_SOCKETDATA, n);
	curl_multi_setopt(n->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(n->multi, CURLMOPT_TIMERDATA, n);
	curl_multi_setopt(n->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
			  (long)n->settings.connections_max);
	return thread_start(STACK_BYTES, net_thread, n, &n->thread);
}

int net_new(const struct net_settings *settings, struct net **ret, struct err *reterr)
{
	struct net *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return err_errno(reterr, ENOMEM, "start the net thread");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	pthread_mutex_init(&n->lock, NULL);
	if (settings)
		n->settings = *settings;
	n->ca_bundle = n->settings.ca_bundle ? strdup(n->settings.ca_bundle) : NULL;
	n->user_agent = strdup(n->settings.user_agent ? n->settings.user_agent : "trainyard");
	STAILQ_INIT(&n->inbox);
	STAILQ_INIT(&n->tasks);
	STAILQ_INIT(&n->waiting);
	n->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = set_up(n);
	if (r < 0) {
		net_release(n);
		return err_errno(reterr, -r, "start the net thread");
	}
	*ret = n;
	return 0;
}

static void wake(struct net *n)
{
	uint64_t one = 1;

	(void)!write(n->wake_fd, &one, sizeof(one));
}

void net_stop(struct net *n)
{
	bool stopped;

	pthread_mutex_lock(&n->lock);
	stopped = n->stopping;
	n->stopping = true;
	pthread_mutex_unlock(&n->lock);
	if (stopped)
		return;
	wake(n);
	pthread_join(n->thread, NULL);
}

void net_free(struct net *n)
{
	if (!n)
		return;
	net_stop(n);
	net_release(n);
}

/* Forget a cancel that came before this send: it meant the send before. */
static void forget_cancel(struct net *n, const struct net_request *rq)
{
	for (size_t i = 0; i < n->cancels_n; i++)
		if (n->cancels[i] == rq)
			n->cancels[i] = NULL;
}

int net_send(struct net *n, struct net_request *rq, struct err *reterr)
{
	bool stopping, full;

	pthread_mutex_lock(&n->lock);
	stopping = n->stopping;
	full = n->pending >= NET_REQUESTS_MAX;
	if (!stopping && !full) {
		n->pending++;
		forget_cancel(n, rq);
		STAILQ_INSERT_TAIL(&n->inbox, rq, link);
	}
	pthread_mutex_unlock(&n->lock);
	if (stopping)
		return err_set(reterr, ERR_UNAVAILABLE, "the program is stopping");
	if (full)
		return err_set(reterr, ERR_LIMIT,
			       "%d requests are under way, which is the limit; try again",
			       NET_REQUESTS_MAX);
	wake(n);
	return 0;
}

void net_cancel(struct net *n, struct net_request *rq)
{
	pthread_mutex_lock(&n->lock);
	if (n->cancels_n < NET_REQUESTS_MAX)
		n->cancels[n->cancels_n++] = rq;
	pthread_mutex_unlock(&n->lock);
	wake(n);
}

void net_after(struct net *n, struct net_task *task, int64_t delay_us)
{
	bool stopping;

	task->net = n;
	task->delay_us = delay_us;
	task->source = NULL;
	pthread_mutex_lock(&n->lock);
	stopping = n->stopping;
	if (!stopping) {
		STAILQ_INSERT_TAIL(&n->tasks, task, link);
	}
	pthread_mutex_unlock(&n->lock);
	if (stopping)
		task->fn(task, true);
	else
		wake(n);
}
