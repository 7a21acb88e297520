/* SPDX-License-Identifier: MIT */
/* One exchange: options for curl, the body in both directions, the result of the end. */
#include "base/own.h"
#include "base/str.h"
#include "net/address.h"
#include "net/internal.h"

#include <string.h>
#include <strings.h>

#define CONNECT_MS    5000L
#define STALL_SECONDS 60L
#define BUFFER_BYTES  (256L << 10)
#define SOCKET_MAX    96

/* ---- the reply ---- */

static bool is_success(const struct exchange *x)
{
	return x->status >= 200 && x->status < 300;
}

static size_t on_head(char *data, size_t size, size_t n, void *userdata)
{
	struct exchange *x = userdata;
	size_t len = size * n;

	if (len > 5 && memcmp(data, "HTTP/", 5) == 0) { /* also after a 100 Continue */
		curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &x->status);
		buf_clear(&x->rq->head);
		return len;
	}
	if (memchr(data, ':', len) && buf_put(&x->rq->head, data, len) < 0) {
		x->too_long = true;
		return 0;
	}
	return len;
}

static size_t reply_max(const struct net_request *rq)
{
	return rq->reply_max ? rq->reply_max : NET_ERROR_BODY_MAX;
}

static size_t on_body(char *data, size_t size, size_t n, void *userdata)
{
	struct exchange *x = userdata;
	struct net_request *rq = x->rq;
	size_t len = size * n;

	if (rq->on_data && is_success(x)) {
		x->given_up = !rq->on_data(rq, data, len);
		return x->given_up ? 0 : len;
	}
	x->too_long = (is_success(x) && len > reply_max(rq) - rq->reply.len) ||
		      buf_put(&rq->reply, data, len) < 0;
	return x->too_long ? 0 : len;
}

/* ---- the request's body ---- */

static size_t on_read(char *data, size_t size, size_t n, void *userdata)
{
	struct exchange *x = userdata;
	struct net_request *rq = x->rq;
	size_t room = size * n, left = rq->body_len - x->read_at;
	ssize_t got;

	if (room > left)
		room = left;
	if (room == 0)
		return 0;
	if (rq->body) {
		memcpy(data, (const char *)rq->body + x->read_at, room);
		got = (ssize_t)room;
	} else {
		got = rq->read_body(rq, data, room, x->read_at);
	}
	if (got <= 0) { /* the request has promised body_len bytes */
		x->given_up = true;
		return CURL_READFUNC_ABORT;
	}
	x->read_at += (size_t)got;
	return (size_t)got;
}

/* Refuse to rewind a body that was read. curl would send a request again if a kept connection
 * closes without an answer. The server may have received it, so the caller decides. */
static int on_seek(void *userdata, curl_off_t offset, int origin)
{
	const struct exchange *x = userdata;

	return x->read_at == 0 && offset == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

/* ---- start ---- */

static int add_header(struct exchange *x, const char *line)
{
	struct curl_slist *list = curl_slist_append(x->headers, line);

	if (!list)
		return -ENOMEM;
	x->headers = list;
	return 0;
}

/* Send exactly the given headers: switch off curl's own ones, unless they are given. */
static int make_headers(struct exchange *x)
{
	static const char *const own[] = {"Accept", "Content-Type", "Expect", "User-Agent"};
	const struct net_request *rq = x->rq;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < rq->headers_n; i++) {
		const char *value = strchr(rq->headers[i], ':');
		OWN(buf_done) struct buf empty = BUF_INIT(256);

		if (value && value[1 + strspn(value + 1, " ")]) {
			r = add_header(x, rq->headers[i]);
			continue;
		}
		/* curl's syntax for a header without a value */
		buf_printf(&empty, "%.*s;", (int)strcspn(rq->headers[i], ":"), rq->headers[i]);
		r = add_header(x, buf_str(&empty));
	}
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(own); i++) {
		bool given = false;
		char line[32];

		for (size_t h = 0; h < rq->headers_n; h++)
			given |= strncasecmp(rq->headers[h], own[i], strlen(own[i])) == 0 &&
				 rq->headers[h][strlen(own[i])] == ':';
		str_must_format(line, sizeof(line), "%s:", own[i]);
		if (!given && !str_eq(own[i], "User-Agent"))
			r = add_header(x, line);
	}
	return r;
}

/* Check an address before curl connects to it, for this request only. */
static curl_socket_t on_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *at)
{
	struct exchange *x = userdata;
	const struct net_settings *s = &x->net->settings;
	bool fine = !address_is_private(&at->addr);

	for (size_t i = 0; i < s->proxies_n && !fine; i++)
		fine = address_equal((const struct sockaddr *)&s->proxies[i], &at->addr);
	if (!fine) {
		x->private_address = true;
		return CURL_SOCKET_BAD;
	}
	return socket(at->family, at->socktype | SOCK_CLOEXEC, at->protocol);
}

/* Use a new connection, because that of another request was not checked. */
static void set_public(struct exchange *x)
{
	if (!x->rq->public_only)
		return;
	curl_easy_setopt(x->easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(x->easy, CURLOPT_OPENSOCKETDATA, x);
	curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(x->easy, CURLOPT_FORBID_REUSE, 1L);
}

/* Each request to a unix socket has its own connection; connecting costs microseconds. curl reuses
 * a connection by the socket's path. The path contains a descriptor number, which may mean another
 * endpoint by then. */
static void set_place(struct exchange *x)
{
	struct net_request *rq = x->rq;
	char path[SOCKET_MAX];

	curl_easy_setopt(x->easy, CURLOPT_URL, rq->url);
	curl_easy_setopt(x->easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(x->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	if (rq->unix_dirfd < 0)
		return;
	str_must_format(path, sizeof(path), "/proc/self/fd/%d/%s", rq->unix_dirfd, rq->unix_socket);
	curl_easy_setopt(x->easy, CURLOPT_UNIX_SOCKET_PATH, path);
	curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(x->easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(x->easy, CURLOPT_PROXY, "");
}

static void set_limits(struct exchange *x)
{
	const struct net_request *rq = x->rq;

	curl_easy_setopt(x->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(x->easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(x->easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(x->easy, CURLOPT_USERAGENT, x->net->user_agent);
	curl_easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS,
			 rq->connect_timeout_us ? (long)(rq->connect_timeout_us / 1000)
						: CONNECT_MS);
	curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, (long)(rq->timeout_us / 1000));
	curl_easy_setopt(x->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(x->easy, CURLOPT_LOW_SPEED_TIME,
			 rq->stall_us ? (long)((rq->stall_us + 999999) / 1000000) : STALL_SECONDS);
	curl_easy_setopt(x->easy, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
	curl_easy_setopt(x->easy, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
	if (x->net->ca_bundle)
		curl_easy_setopt(x->easy, CURLOPT_CAINFO, x->net->ca_bundle);
}

static void set_exchange(struct exchange *x)
{
	const struct net_request *rq = x->rq;
	bool head = str_eq(rq->method, "HEAD");

	curl_easy_setopt(x->easy, CURLOPT_PRIVATE, x);
	curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
	curl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
	if (rq->body_len > 0 || str_eq(rq->method, "PUT")) {
		curl_easy_setopt(x->easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(x->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)rq->body_len);
		curl_easy_setopt(x->easy, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(x->easy, CURLOPT_READDATA, x);
		curl_easy_setopt(x->easy, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(x->easy, CURLOPT_SEEKDATA, x);
	} else if (str_eq(rq->method, "POST")) {
		curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, "");
		curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE, 0L);
	}
	if (head)
		curl_easy_setopt(x->easy, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, rq->method);
}

static void exchange_free(struct exchange *x)
{
	for (struct exchange **at = &x->net->exchanges; *at; at = &(*at)->next) {
		if (*at == x) {
			*at = x->next;
			break;
		}
	}
	if (x->easy) {
		curl_multi_remove_handle(x->net->multi, x->easy);
		curl_easy_cleanup(x->easy);
	}
	curl_slist_free_all(x->headers);
	x->rq->transfer = NULL;
	free(x);
}

void exchange_start(struct net *n, struct net_request *rq)
{
	struct exchange *x = calloc(1, sizeof(*x));
	bool ok = x != NULL;

	if (ok) {
		x->net = n;
		x->rq = rq;
		x->next = n->exchanges;
		n->exchanges = x;
		rq->transfer = x;
		net_request_done(rq); /* those of an earlier attempt */
		buf_init(&rq->head, NET_REPLY_HEAD_MAX);
		buf_init(&rq->reply, rq->on_data || reply_max(rq) < NET_ERROR_BODY_MAX
					     ? NET_ERROR_BODY_MAX
					     : reply_max(rq));
		x->easy = curl_easy_init();
		ok = x->easy && make_headers(x) == 0;
	}
	if (ok) {
		set_place(x);
		set_public(x);
		set_limits(x);
		set_exchange(x);
		ok = curl_multi_add_handle(n->multi, x->easy) == CURLM_OK;
	}
	if (ok)
		return;
	if (x)
		exchange_free(x);
	rq->result = err_errno(&rq->err, ENOMEM, "send a request");
	net_request_over(n, rq);
}

/* ---- the end ---- */

/* True if a byte of the request was sent. */
static bool was_sent(CURL *easy)
{
	long bytes = 0;

	curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &bytes);
	return bytes > 0;
}

static int broken(struct exchange *x, CURLcode code)
{
	struct err *err = &x->rq->err;

	switch ((int)code) {
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(err, ETIMEDOUT, "no answer came within the time limit");
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return err_set(err, ERR_UNAVAILABLE, "cannot connect to the server: %s",
			       curl_easy_strerror(code));
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return err_set(err, ERR_INVALID, "'%s' is not an address of an HTTP server",
			       x->rq->url);
	default:
		return err_set(err, EIO, "the server gave no answer: %s", curl_easy_strerror(code));
	}
}

void exchange_end(struct exchange *x, CURLcode code)
{
	struct net_request *rq = x->rq;
	struct net *n = x->net;

	rq->status = (int)x->status;
	rq->sent = was_sent(x->easy);
	if (x->given_up)
		rq->result = err_set(&rq->err, ERR_CANCELLED, "the request was cancelled");
	else if (x->too_long)
		rq->result = err_set(&rq->err, ERR_LIMIT, "the answer is larger than %zu bytes",
				     is_success(x) ? reply_max(rq) : rq->reply.max);
	else if (code == CURLE_COULDNT_CONNECT && x->private_address)
		rq->result = err_set(&rq->err, ERR_UNSUPPORTED,
				     "the address is one of this machine or of a private network");
	else if (code != CURLE_OK)
		rq->result = broken(x, code);
	else
		rq->result = 0;
	exchange_free(x);
	net_request_over(n, rq);
}

void exchange_abort(struct exchange *x, int code, const char *words)
{
	struct net_request *rq = x->rq;
	struct net *n = x->net;

	rq->sent = was_sent(x->easy);
	rq->result = err_set(&rq->err, code, "%s", words);
	exchange_free(x);
	net_request_over(n, rq);
}
