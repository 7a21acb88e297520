/* SPDX-License-Identifier: MIT */
/* The net thread against a server that does what the request's path says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/own.h"
#include "base/str.h"
#include "net/net.h"
#include "tests/unit/net_peer.h"

#include <netinet/in.h>
#include <semaphore.h>
#include <string.h>
#include <sys/socket.h>

static struct net *net;

static int set_up(void **state)
{
	struct net_settings settings = {.user_agent = "a test", .connections_max = 4};

	pthread_mutex_lock(&peer.lock);
	peer.requests = 0;
	pthread_mutex_unlock(&peer.lock);
	return net_new(&settings, &net, NULL);
}

static int tear_down(void **state)
{
	net_free(TAKE(net));
	return 0;
}

/* ---- requests ---- */

struct ask {
	struct net_request rq;
	char url[256];
	sem_t over;
	int times; /* that done has run */
	size_t seen;
};

static void on_done(struct net_request *rq)
{
	struct ask *a = rq->userdata;

	a->times++;
	sem_post(&a->over);
}

static void ask_init(struct ask *a, const char *path)
{
	memset(a, 0, sizeof(*a));
	sem_init(&a->over, 0, 0);
	snprintf(a->url, sizeof(a->url), "%s%s", peer.url, path);
	net_request_init(&a->rq);
	a->rq.url = a->url;
	a->rq.reply_max = 1 << 20;
	a->rq.done = on_done;
	a->rq.userdata = a;
}

static void ask_send(struct ask *a)
{
	assert_int_equal(net_send(net, &a->rq, NULL), 0);
}

static int ask_end(struct ask *a)
{
	while (sem_wait(&a->over) < 0)
		;
	assert_int_equal(a->times, 1);
	return a->rq.result;
}

static void ask_done(struct ask *a)
{
	net_request_done(&a->rq);
	sem_destroy(&a->over);
}

/* The result of one simple GET. */
static int get(const char *path, size_t reply_max)
{
	struct ask a;
	int r;

	ask_init(&a, path);
	a.rq.reply_max = reply_max;
	ask_send(&a);
	r = ask_end(&a);
	ask_done(&a);
	return r;
}

static void test_exchange(void **state)
{
	struct ask a;
	char value[16];

	ask_init(&a, "/../a%20b?x=1&y");
	a.rq.method = "POST";
	a.rq.headers[a.rq.headers_n++] = "X-One: 1";
	a.rq.headers[a.rq.headers_n++] = "X-Empty:";
	a.rq.body = "body";
	a.rq.body_len = 4;
	ask_send(&a);
	assert_int_equal(ask_end(&a), 0);
	assert_int_equal(a.rq.status, 302); /* not followed */
	assert_string_equal(buf_str(&a.rq.reply), "ok");
	assert_true(a.rq.sent);
	assert_true(net_reply_header(&a.rq, "x-odd", value, sizeof(value)));
	assert_true(str_starts(value, "a b"));
	assert_false(net_reply_header(&a.rq, "x-od", value, sizeof(value)));
	assert_false(net_reply_header(&a.rq, "x-odd", value, 2));
	ask_done(&a);
	assert_true(str_starts(peer.last, "POST /../a%20b?x=1&y HTTP/1.1\r\n"));
	assert_true(str_ends(peer.last, "\r\n\r\nbody"));
	assert_non_null(strstr(peer.last, "\r\nX-One: 1\r\n"));
	assert_non_null(strstr(peer.last, "\r\nX-Empty:\r\n"));
	assert_non_null(strstr(peer.last, "\r\nContent-Length: 4\r\n"));
	assert_non_null(strstr(peer.last, "\r\nUser-Agent: a test\r\n"));
	assert_null(strstr(peer.last, "Content-Type"));
	assert_null(strstr(peer.last, "Accept"));
	assert_null(strstr(peer.last, "Expect"));
}

static void test_empty_put_has_a_length(void **state)
{
	struct ask a;

	ask_init(&a, "/");
	a.rq.method = "PUT";
	ask_send(&a);
	assert_int_equal(ask_end(&a), 0);
	ask_done(&a);
	assert_non_null(strstr(peer.last, "\r\nContent-Length: 0\r\n"));
}

static void test_reply_limit(void **state)
{
	assert_int_equal(get("/size/200/1000", 1000), 0);
	assert_int_equal(get("/size/200/1001", 1000), -ERR_LIMIT);
	assert_int_equal(get("/size/200/300000", 300000), 0);
	assert_int_equal(get("/size/200/300001", 300000), -ERR_LIMIT);
}

/* Who wants a short answer still learns why there is none. */
static void test_error_body_limit(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "/size/500/%d", NET_ERROR_BODY_MAX);
	assert_int_equal(get(path, 10), 0);
	snprintf(path, sizeof(path), "/size/500/%d", NET_ERROR_BODY_MAX + 1);
	assert_int_equal(get(path, 10), -ERR_LIMIT);
}

static void test_reply_head_limit(void **state)
{
	size_t others = strlen("Content-Length: 2\r\nX: \r\n");
	char path[64];

	snprintf(path, sizeof(path), "/head/%zu", NET_REPLY_HEAD_MAX - others);
	assert_int_equal(get(path, 10), 0);
	snprintf(path, sizeof(path), "/head/%zu", NET_REPLY_HEAD_MAX - others + 1);
	assert_int_equal(get(path, 10), -ERR_LIMIT);
}

static void test_broken(void **state)
{
	struct ask a;

	ask_init(&a, "/drop");
	ask_send(&a);
	assert_int_equal(ask_end(&a), -EIO);
	assert_true(a.rq.sent);
	ask_done(&a);
}

static void test_nobody_listens(void **state)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	OWN(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(addr);
	struct ask a;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* bound, and not listening */
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	ask_init(&a, "/");
	snprintf(a.url, sizeof(a.url), "http://127.0.0.1:%d/", ntohs(addr.sin_port));
	ask_send(&a);
	assert_int_equal(ask_end(&a), -ERR_UNAVAILABLE);
	assert_false(a.rq.sent);
	ask_done(&a);
}

static void test_not_an_address(void **state)
{
	struct ask a;

	ask_init(&a, "/");
	a.rq.url = "file:///etc/passwd";
	ask_send(&a);
	assert_int_equal(ask_end(&a), -ERR_INVALID);
	ask_done(&a);
}

static void test_time_out(void **state)
{
	static const char *const paths[] = {"/hang", "/half"};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct ask a;

		ask_init(&a, paths[i]);
		a.rq.timeout_us = 100000;
		ask_send(&a);
		assert_int_equal(ask_end(&a), -ETIMEDOUT);
		assert_true(a.rq.sent);
		ask_done(&a);
	}
}

/* No time-out, but nothing moves. */
static void test_stall(void **state)
{
	struct ask a;

	ask_init(&a, "/half");
	a.rq.stall_us = 1000000;
	ask_send(&a);
	assert_int_equal(ask_end(&a), -ETIMEDOUT);
	assert_string_equal(buf_str(&a.rq.reply), "half");
	ask_done(&a);
}

static void test_cancel(void **state)
{
	struct ask a, b;

	ask_init(&a, "/hang");
	ask_init(&b, "/hang");
	net_cancel(net, &a.rq); /* not under way: nothing */
	ask_send(&a);
	ask_send(&b);
	peer_await(2);
	net_cancel(net, &a.rq);
	assert_int_equal(ask_end(&a), -ERR_CANCELLED);
	assert_true(a.rq.sent);
	assert_int_equal(b.times, 0);
	net_cancel(net, &b.rq);
	assert_int_equal(ask_end(&b), -ERR_CANCELLED);
	net_cancel(net, &b.rq);
	ask_done(&a);
	ask_done(&b);
}

static bool take_data(struct net_request *rq, const char *data, size_t len)
{
	struct ask *a = rq->userdata;

	a->seen += len;
	return a->seen <= 500000;
}

static void test_streamed_reply(void **state)
{
	struct ask a;

	ask_init(&a, "/size/200/500000");
	a.rq.reply_max = 0;
	a.rq.on_data = take_data;
	ask_send(&a);
	assert_int_equal(ask_end(&a), 0);
	assert_int_equal(a.seen, 500000);
	assert_int_equal(a.rq.reply.len, 0);
	ask_done(&a);
	ask_init(&a, "/size/200/500001"); /* one more than it takes */
	a.rq.on_data = take_data;
	ask_send(&a);
	assert_int_equal(ask_end(&a), -ERR_CANCELLED);
	ask_done(&a);
	ask_init(&a, "/size/404/7"); /* an error is collected */
	a.rq.on_data = take_data;
	ask_send(&a);
	assert_int_equal(ask_end(&a), 0);
	assert_int_equal(a.seen, 0);
	assert_string_equal(buf_str(&a.rq.reply), "xxxxxxx");
	ask_done(&a);
}

static ssize_t give_data(struct net_request *rq, char *data, size_t size, size_t offset)
{
	struct ask *a = rq->userdata;

	assert_int_equal(offset, a->seen);
	size = size > 1000 ? 1000 : size;
	memset(data, 'y', size);
	a->seen += size;
	return a->seen > 200000 ? -1 : (ssize_t)size;
}

static void test_streamed_body(void **state)
{
	struct ask a;

	ask_init(&a, "/");
	a.rq.method = "PUT";
	a.rq.body_len = 200000;
	a.rq.read_body = give_data;
	ask_send(&a);
	assert_int_equal(ask_end(&a), 0);
	ask_done(&a);
	assert_int_equal(strlen(strstr(peer.last, "\r\n\r\n") + 4), 200000);
	ask_init(&a, "/");
	a.rq.method = "PUT";
	a.rq.body_len = 200001; /* it will not give the last one */
	a.rq.read_body = give_data;
	ask_send(&a);
	assert_int_equal(ask_end(&a), -ERR_CANCELLED);
	ask_done(&a);
}

/* ---- many, and the end ---- */

static void test_number_of_requests(void **state)
{
	struct ask *asks = calloc(NET_REQUESTS_MAX, sizeof(*asks)), more;
	struct err e = {0};

	assert_non_null(asks);
	for (int i = 0; i < NET_REQUESTS_MAX; i++) {
		ask_init(&asks[i], "/hang");
		ask_send(&asks[i]);
	}
	ask_init(&more, "/size/200/1");
	assert_int_equal(net_send(net, &more.rq, &e), -ERR_LIMIT);
	net_cancel(net, &asks[7].rq);
	assert_int_equal(ask_end(&asks[7]), -ERR_CANCELLED);
	ask_send(&more); /* there is room again */
	net_stop(net);
	for (int i = 0; i < NET_REQUESTS_MAX; i++) {
		if (i != 7)
			assert_int_equal(ask_end(&asks[i]), -ERR_UNAVAILABLE);
		ask_done(&asks[i]);
	}
	assert_int_equal(ask_end(&more), -ERR_UNAVAILABLE);
	ask_done(&more);
	free(asks);
	ask_init(&more, "/");
	assert_int_equal(net_send(net, &more.rq, &e), -ERR_UNAVAILABLE);
	assert_int_equal(more.times, 0);
	ask_done(&more);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_exchange),	     TEST(test_empty_put_has_a_length),
		TEST(test_reply_limit),	     TEST(test_error_body_limit),
		TEST(test_reply_head_limit), TEST(test_broken),
		TEST(test_nobody_listens),   TEST(test_not_an_address),
		TEST(test_time_out),	     TEST(test_stall),
		TEST(test_cancel),	     TEST(test_streamed_reply),
		TEST(test_streamed_body),    TEST(test_number_of_requests),
	};

	return cmocka_run_group_tests_name("net", tests, peer_start, peer_stop);
}
