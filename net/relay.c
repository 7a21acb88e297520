/* SPDX-License-Identifier: MIT */
#include "net/relay.h"

#include "base/buf.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/str.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define RELAY_STACK_BYTES (256 << 10)
#define RELAY_CONNECT_MS  5000L
#define RELAY_PATH_MAX	  96

struct relay {
	pthread_t thread;
	pthread_mutex_t lock; /* of inbox, pending and stopping */
	struct relay_request *inbox, **inbox_tail;
	size_t pending; /* accepted and not done */
	bool stopping;
	int wake_fd;

	/* the net thread's own */
	sd_event *loop;
	CURLM *multi;
	sd_event_source *timer;
	struct transfer *transfers;
};

struct transfer {
	struct relay *relay;
	struct relay_request *rq;
	CURL *easy;
	struct curl_slist *headers;
	struct buf reply;
	struct transfer *next;
};

/* ---- one transfer ---- */

static size_t on_data(char *data, size_t size, size_t n, void *userdata)
{
	struct transfer *t = userdata;

	return buf_put(&t->reply, data, size * n) < 0 ? 0 : size * n;
}

static void transfer_free(struct transfer *t)
{
	for (struct transfer **at = &t->relay->transfers; *at; at = &(*at)->next) {
		if (*at == t) {
			*at = t->next;
			break;
		}
	}
	curl_multi_remove_handle(t->relay->multi, t->easy);
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	buf_done(&t->reply);
	free(t);
}

/* Hand the request back; it may be freed by done. */
static void request_done(struct relay *r, struct relay_request *rq)
{
	close(rq->dirfd);
	rq->dirfd = -1;
	pthread_mutex_lock(&r->lock);
	r->pending--;
	pthread_mutex_unlock(&r->lock);
	rq->done(rq);
}

static void transfer_result(struct transfer *t, CURLcode code)
{
	struct relay_request *rq = t->rq;
	const char *type = NULL;
	long status = 0;

	if (t->reply.failed) {
		rq->result = err_set(&rq->err, ERR_LIMIT, "the answer is larger than %zu bytes",
				     rq->reply_max);
	} else if (code == CURLE_OPERATION_TIMEDOUT) {
		rq->result = err_set(&rq->err, ETIMEDOUT, "no answer within %lld ms",
				     (long long)(rq->timeout_us / 1000));
	} else if (code != CURLE_OK) {
		rq->result = err_set(&rq->err, ERR_UNAVAILABLE, "no answer from the server: %s",
				     curl_easy_strerror(code));
	} else {
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
		rq->status = (int)status;
		str_copy(rq->reply_type, sizeof(rq->reply_type), type ? type : "");
		rq->reply_len = t->reply.len;
		rq->reply = buf_take(&t->reply);
		rq->result = 0;
	}
}

static int set_header(struct transfer *t, const char *name, const char *value)
{
	OWN(buf_done) struct buf line = BUF_INIT(256);
	struct curl_slist *list;

	buf_printf(&line, "%s:%s%s", name, value[0] ? " " : "", value);
	list = curl_slist_append(t->headers, buf_str(&line));
	if (!list)
		return -ENOMEM;
	t->headers = list;
	return 0;
}

/* Every request has its own connection: connecting to a unix socket costs microseconds, and curl
 * would reuse a connection by the socket's path, which here contains a descriptor number that may
 * have come to mean another endpoint. */
static void set_options(struct transfer *t)
{
	struct relay_request *rq = t->rq;
	char path[RELAY_PATH_MAX], url[RELAY_PATH_MAX];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", rq->dirfd, rq->socket);
	snprintf(url, sizeof(url), "http://endpoint%s", rq->path);
	curl_easy_setopt(t->easy, CURLOPT_URL, url);
	curl_easy_setopt(t->easy, CURLOPT_UNIX_SOCKET_PATH, path);
	curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, RELAY_CONNECT_MS);
	curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)(rq->timeout_us / 1000));
	curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, rq->body);
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body_len);
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
}

static void transfer_start(struct relay *r, struct relay_request *rq)
{
	struct transfer *t = calloc(1, sizeof(*t));
	bool ok = t != NULL;

	if (ok) {
		t->relay = r;
		t->rq = rq;
		t->next = r->transfers;
		r->transfers = t;
		buf_init(&t->reply, rq->reply_max);
		t->easy = curl_easy_init();
		ok = t->easy && set_header(t, "Content-Type", rq->content_type) == 0 &&
		     set_header(t, "Accept", rq->accept) == 0 && set_header(t, "Expect", "") == 0;
	}
	if (ok) {
		set_options(t);
		ok = curl_multi_add_handle(r->multi, t->easy) == CURLM_OK;
	}
	if (ok)
		return;
	if (t)
		transfer_free(t);
	rq->result = err_errno(&rq->err, ENOMEM, "relay the request");
	request_done(r, rq);
}

static void collect_done(struct relay *r)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(r->multi, &left))) {
		struct relay_request *rq;
		struct transfer *t;
		CURLcode code;

		if (msg->msg != CURLMSG_DONE)
			continue;
		code = msg->data.result; /* msg dies with the handle */
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		rq = t->rq;
		transfer_result(t, code);
		transfer_free(t);
		request_done(r, rq);
	}
}

/* ---- curl's sockets and timer on the loop ---- */

static void act(struct relay *r, curl_socket_t fd, int flags)
{
	int running;

	curl_multi_socket_action(r->multi, fd, flags, &running);
	collect_done(r);
}

static int on_socket_ready(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	int flags = (revents & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
		    (revents & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		    (revents & EPOLLERR ? CURL_CSELECT_ERR : 0);

	act(userdata, fd, flags);
	return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socketp)
{
	struct relay *r = userdata;
	sd_event_source *source = socketp;
	uint32_t events =
		(what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);

	if (what == CURL_POLL_REMOVE) {
		loop_drop(&source);
		curl_multi_assign(r->multi, fd, NULL);
		return 0;
	}
	if (source)
		return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
	if (sd_event_add_io(r->loop, &source, fd, events, on_socket_ready, r) < 0)
		return -1;
	curl_multi_assign(r->multi, fd, source);
	return 0;
}

static int on_timer(sd_event_source *s, uint64_t at, void *userdata)
{
	act(userdata, CURL_SOCKET_TIMEOUT, 0);
	return 0;
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *userdata)
{
	struct relay *r = userdata;

	if (timeout_ms < 0) {
		if (r->timer)
			sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
		return 0;
	}
	return loop_after_us(r->loop, &r->timer, timeout_ms * 1000, on_timer, r) < 0 ? -1 : 0;
}

/* ---- the thread ---- */

static void cancel_all(struct relay *r)
{
	while (r->transfers) {
		struct relay_request *rq = r->transfers->rq;

		transfer_free(r->transfers);
		rq->result = err_set(&rq->err, ERR_UNAVAILABLE, "the daemon is stopping");
		request_done(r, rq);
	}
}

static int on_wake(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct relay *r = userdata;
	struct relay_request *list;
	uint64_t n;
	bool stop;

	(void)!read(fd, &n, sizeof(n));
	pthread_mutex_lock(&r->lock);
	list = TAKE(r->inbox);
	r->inbox_tail = &r->inbox;
	stop = r->stopping;
	pthread_mutex_unlock(&r->lock);
	while (list) {
		struct relay_request *rq = list;

		list = rq->next;
		rq->next = NULL;
		transfer_start(r, rq);
	}
	if (stop) {
		cancel_all(r);
		sd_event_exit(r->loop, 0);
	}
	return 0;
}

static void *net_thread(void *userdata)
{
	struct relay *r = userdata;

	pthread_setname_np(pthread_self(), "net");
	sd_event_loop(r->loop);
	return NULL;
}

static int start_thread(struct relay *r)
{
	pthread_attr_t attr;
	int n;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, RELAY_STACK_BYTES);
	n = pthread_create(&r->thread, &attr, net_thread, r);
	pthread_attr_destroy(&attr);
	return -n;
}

static void relay_release(struct relay *r)
{
	loop_drop(&r->timer);
	if (r->multi)
		curl_multi_cleanup(r->multi);
	sd_event_unref(r->loop);
	if (r->wake_fd >= 0)
		close(r->wake_fd);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

int relay_new(struct relay **ret, struct err *reterr)
{
	struct relay *r = calloc(1, sizeof(*r));
	int n;

	if (!r)
		return err_errno(reterr, ENOMEM, "start the net thread");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	pthread_mutex_init(&r->lock, NULL);
	r->inbox_tail = &r->inbox;
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	n = r->wake_fd < 0 ? -errno : sd_event_new(&r->loop);
	if (n >= 0)
		n = sd_event_add_io(r->loop, NULL, r->wake_fd, EPOLLIN, on_wake, r);
	if (n >= 0) {
		r->multi = curl_multi_init();
		n = r->multi ? 0 : -ENOMEM;
	}
	if (n >= 0) {
		curl_multi_setopt(r->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
		curl_multi_setopt(r->multi, CURLMOPT_SOCKETDATA, r);
		curl_multi_setopt(r->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
		curl_multi_setopt(r->multi, CURLMOPT_TIMERDATA, r);
		n = start_thread(r);
	}
	if (n < 0) {
		relay_release(r);
		return err_errno(reterr, -n, "start the net thread");
	}
	*ret = r;
	return 0;
}

static void wake(struct relay *r)
{
	uint64_t one = 1;

	(void)!write(r->wake_fd, &one, sizeof(one));
}

void relay_stop(struct relay *r)
{
	bool stopped;

	pthread_mutex_lock(&r->lock);
	stopped = r->stopping;
	r->stopping = true;
	pthread_mutex_unlock(&r->lock);
	if (stopped)
		return;
	wake(r);
	pthread_join(r->thread, NULL);
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	relay_stop(r);
	relay_release(r);
}

int relay_send(struct relay *r, struct relay_request *rq, struct err *reterr)
{
	bool full;

	pthread_mutex_lock(&r->lock);
	full = r->stopping || r->pending >= RELAY_REQUESTS_MAX;
	if (!full) {
		r->pending++;
		rq->next = NULL;
		*r->inbox_tail = rq;
		r->inbox_tail = &rq->next;
	}
	pthread_mutex_unlock(&r->lock);
	if (full)
		return err_set(reterr, ERR_LIMIT,
			       "%d requests to endpoints are under way; try again",
			       RELAY_REQUESTS_MAX);
	wake(r);
	return 0;
}
