/* SPDX-License-Identifier: MIT */
/* The blocking HTTP client against a server that says what the test tells it to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/own.h"
#include "net/http.h"
#include "tests/unit/scratch.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Answers one connection with `reply` and keeps the request. */
struct server {
	int fd;
	char url[160], dir[64];
	const char *reply;
	char request[4096];
	pthread_t thread;
};

static void *serve_one(void *arg)
{
	struct server *s = arg;
	OWN(closep) int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
	const char *body;
	size_t len = 0, want = SIZE_MAX;

	while (fd >= 0 && len < want && len < sizeof(s->request) - 1) {
		ssize_t n = recv(fd, s->request + len, sizeof(s->request) - 1 - len, 0);

		if (n <= 0)
			break;
		len += (size_t)n;
		s->request[len] = '\0';
		body = strstr(s->request, "\r\n\r\n");
		if (body) {
			const char *length = strstr(s->request, "Content-Length: ");

			want = (size_t)(body + 4 - s->request) +
			       (length ? strtoul(length + 16, NULL, 10) : 0);
		}
	}
	if (fd >= 0)
		(void)!send(fd, s->reply, strlen(s->reply), MSG_NOSIGNAL);
	return NULL;
}

static void server_start(struct server *s)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(s->fd, 1), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&addr, &len), 0);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d", ntohs(addr.sin_port));
	assert_int_equal(pthread_create(&s->thread, NULL, serve_one, s), 0);
}

static void server_end(struct server *s)
{
	pthread_join(s->thread, NULL);
	close(s->fd);
}

static int exchange(const char *url, const struct http_request *req, struct http_reply *reply,
		    struct err *e)
{
	OWN(http_freep) struct http *h = NULL;

	assert_int_equal(http_open(url, &h, NULL), 0);
	return http_send(h, req, reply, e);
}

static void test_get(void **state)
{
	struct server s = {.reply = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n"
				    "Content-Length: 4\r\n\r\ngone"};
	struct http_request req = {.method = "GET", .path = "/v1/jobs?limit=2"};
	struct http_reply reply;

	server_start(&s);
	assert_int_equal(exchange(s.url, &req, &reply, NULL), 0);
	server_end(&s);
	assert_int_equal(reply.status, 404);
	assert_string_equal(reply.content_type, "text/plain");
	assert_string_equal(buf_str(&reply.body), "gone");
	assert_ptr_equal(strstr(s.request, "GET /v1/jobs?limit=2 HTTP/1.1\r\n"), s.request);
	assert_null(strstr(s.request, "Content-Type"));
	http_reply_done(&reply);
}

static void test_post_and_delete(void **state)
{
	static const char *const methods[] = {"POST", "DELETE"};

	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		struct server s = {.reply = "HTTP/1.1 204 No Content\r\n\r\n"};
		struct http_request req = {
			.method = methods[i], .path = "/x", .body = "{}", .body_len = 2};
		struct http_reply reply;

		server_start(&s);
		assert_int_equal(exchange(s.url, &req, &reply, NULL), 0);
		server_end(&s);
		assert_int_equal(reply.status, 204);
		assert_string_equal(buf_str(&reply.body), "");
		assert_int_equal(strncmp(s.request, methods[i], strlen(methods[i])), 0);
		assert_non_null(strstr(s.request, "Content-Type: application/json\r\n"));
		assert_string_equal(strstr(s.request, "\r\n\r\n"), "\r\n\r\n{}");
		http_reply_done(&reply);
	}
}

struct sink {
	char got[64];
	size_t len, max;
};

static bool sink_take(void *userdata, const char *data, size_t len)
{
	struct sink *s = userdata;

	if (s->len + len > s->max)
		return false;
	memcpy(s->got + s->len, data, len);
	s->len += len;
	return true;
}

static void test_stream(void **state)
{
	struct server s = {.reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				    "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"};
	struct sink sink = {.max = sizeof(sink.got) - 1};
	struct http_request req = {
		.method = "GET", .path = "/", .on_data = sink_take, .userdata = &sink};
	struct http_reply reply;

	server_start(&s);
	assert_int_equal(exchange(s.url, &req, &reply, NULL), 0);
	server_end(&s);
	assert_string_equal(sink.got, "hello world");
	assert_int_equal(reply.body.len, 0);
	http_reply_done(&reply);
}

static void test_stream_is_ended(void **state)
{
	struct server s = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"};
	struct sink sink = {.max = 4};
	struct http_request req = {
		.method = "GET", .path = "/", .on_data = sink_take, .userdata = &sink};
	struct http_reply reply;

	server_start(&s);
	assert_int_equal(exchange(s.url, &req, &reply, NULL), -ERR_CANCELLED);
	server_end(&s);
	http_reply_done(&reply);
}

/* A refusal is collected, not streamed. */
static void test_stream_refused(void **state)
{
	struct server s = {.reply = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"};
	struct sink sink = {.max = sizeof(sink.got) - 1};
	struct http_request req = {
		.method = "GET", .path = "/", .on_data = sink_take, .userdata = &sink};
	struct http_reply reply;

	server_start(&s);
	assert_int_equal(exchange(s.url, &req, &reply, NULL), 0);
	server_end(&s);
	assert_int_equal(sink.len, 0);
	assert_string_equal(buf_str(&reply.body), "no");
	http_reply_done(&reply);
}

static void test_broken_answers(void **state)
{
	static const char *const replies[] = {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
					      "nonsense\r\n\r\n"};

	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		struct server s = {.reply = replies[i]};
		struct http_request req = {.method = "GET", .path = "/"};
		struct http_reply reply;
		struct err e = {0};

		server_start(&s);
		assert_int_equal(exchange(s.url, &req, &reply, &e), -EIO);
		server_end(&s);
		assert_non_null(strstr(e.msg, s.url));
		http_reply_done(&reply);
	}
}

static void test_nobody_listens(void **state)
{
	struct http_request req = {.method = "GET", .path = "/"};
	char dir[64], url[80], words[96];
	struct http_reply reply;
	struct err e = {0};

	scratch_make(dir, sizeof(dir), "http");
	snprintf(url, sizeof(url), "unix:%s/no.sock", dir);
	snprintf(words, sizeof(words), "nobody answers at %s/no.sock", dir);
	assert_int_equal(exchange(url, &req, &reply, &e), -ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, words));
	http_reply_done(&reply);
	scratch_remove(dir);
}

static void test_unix_socket(void **state)
{
	struct server s = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct http_request req = {.method = "GET", .path = "/healthz"};
	struct http_reply reply;

	scratch_make(s.dir, sizeof(s.dir), "http");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/a.sock", s.dir);
	snprintf(s.url, sizeof(s.url), "unix:%s", addr.sun_path);
	s.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s.fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(s.fd, 1), 0);
	assert_int_equal(pthread_create(&s.thread, NULL, serve_one, &s), 0);
	assert_int_equal(exchange(s.url, &req, &reply, NULL), 0);
	server_end(&s);
	assert_string_equal(buf_str(&reply.body), "ok");
	assert_non_null(strstr(s.request, "Host: localhost\r\n"));
	http_reply_done(&reply);
	scratch_remove(s.dir);
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {"", "127.0.0.1:8470", "https://x", "unix:relative",
					  "ftp://x"};
	struct http *h = NULL;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(http_open(bad[i], &h, &e), -ERR_INVALID);
	assert_null(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_post_and_delete),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_stream_is_ended),
		cmocka_unit_test(test_stream_refused),
		cmocka_unit_test(test_broken_answers),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_unix_socket),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
