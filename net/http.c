/* SPDX-License-Identifier: MIT */
/*
 * The blocking HTTP client of net/http.h. One curl easy handle per client: permanent options are
 * set once, the others before each exchange.
 */
#include "net/http.h"

#include "base/own.h"
#include "base/str.h"

#include <curl/curl.h>
#include <string.h>

#define HTTP_URL_MAX 8192

struct http {
	CURL *curl;
	char origin[512]; /* "http://host:port", without a final slash */
	char where[512];  /* the server's name in messages */
	char curl_error[CURL_ERROR_SIZE];
};

/* One exchange under way. */
struct exchange {
	struct http *http;
	const struct http_request *req;
	struct http_reply *reply;
	bool stopped;
};

int http_open(const char *url, struct http **ret, struct err *reterr)
{
	OWN(http_freep) struct http *h = calloc(1, sizeof(*h));
	const char *socket_path = str_starts(url, "unix:") ? url + strlen("unix:") : NULL;
	size_t len;

	if (!h)
		return err_errno(reterr, ENOMEM, "open the HTTP client");
	if (socket_path ? socket_path[0] != '/' : !str_starts(url, "http://"))
		return err_set(reterr, ERR_INVALID,
			       "'%s' is not an address: use http://HOST:PORT or unix:/path", url);
	if (!str_copy(h->where, sizeof(h->where), socket_path ? socket_path : url) ||
	    !str_copy(h->origin, sizeof(h->origin), socket_path ? "http://localhost" : url))
		return err_set(reterr, ERR_LIMIT, "the address is longer than %zu bytes",
			       sizeof(h->where) - 1);
	for (len = strlen(h->origin); len && h->origin[len - 1] == '/'; len--)
		h->origin[len - 1] = '\0';
	h->curl = curl_easy_init();
	if (!h->curl)
		return err_errno(reterr, ENOMEM, "open the HTTP client");
	if (socket_path &&
	    curl_easy_setopt(h->curl, CURLOPT_UNIX_SOCKET_PATH, socket_path) != CURLE_OK)
		return err_errno(reterr, ENOMEM, "open the HTTP client");
	curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, h->curl_error);
	curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_MAX_MS);
	curl_easy_setopt(h->curl, CURLOPT_USERAGENT, "trainyard-cli");
	*ret = TAKE(h);
	return 0;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	free(h);
}

void http_freep(struct http **h)
{
	http_free(*h);
}

void http_reply_done(struct http_reply *reply)
{
	buf_done(&reply->body);
}

static size_t on_body(char *data, size_t size, size_t n, void *userdata)
{
	struct exchange *x = userdata;
	long status = 0;

	curl_easy_getinfo(x->http->curl, CURLINFO_RESPONSE_CODE, &status);
	if (x->req->on_data && status >= 200 && status < 300) {
		x->stopped = !x->req->on_data(x->req->userdata, data, size * n);
		return x->stopped ? 0 : size * n;
	}
	return buf_put(&x->reply->body, data, size * n) < 0 ? 0 : size * n;
}

static void set_body(CURL *curl, const struct http_request *req)
{
	curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	if (req->body || str_eq(req->method, "POST")) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, req->body ? req->body : "");
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, req->method);
}

static int fail(const struct exchange *x, CURLcode code, struct err *reterr)
{
	const char *detail =
		x->http->curl_error[0] ? x->http->curl_error : curl_easy_strerror(code);

	if (x->stopped)
		return err_set(reterr, ERR_CANCELLED, "the transfer was ended on request");
	if (!buf_ok(&x->reply->body))
		return err_set(reterr, ERR_LIMIT, "the answer of %s is longer than %d bytes",
			       x->http->where, HTTP_REPLY_MAX);
	switch ((int)code) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return err_set(reterr, ERR_UNAVAILABLE, "nobody answers at %s (%s)", x->http->where,
			       detail);
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(reterr, ETIMEDOUT, "%s did not answer in time (%s)", x->http->where,
			       detail);
	case CURLE_OUT_OF_MEMORY:
		return err_errno(reterr, ENOMEM, "ask %s", x->http->where);
	default:
		return err_set(reterr, EIO, "the connection to %s broke (%s)", x->http->where,
			       detail);
	}
}

int http_send(struct http *h, const struct http_request *req, struct http_reply *ret,
	      struct err *reterr)
{
	struct exchange x = {.http = h, .req = req, .reply = ret};
	struct curl_slist *headers = NULL;
	char url[HTTP_URL_MAX], type_header[HTTP_TYPE_MAX + 32];
	const char *type = NULL;
	long status = 0;
	CURLcode code;

	*ret = (struct http_reply){.body = BUF_INIT(HTTP_REPLY_MAX)};
	if (snprintf(url, sizeof(url), "%s%s", h->origin, req->path) >= (int)sizeof(url))
		return err_set(reterr, ERR_LIMIT, "the URL is longer than %d bytes",
			       HTTP_URL_MAX - 1);
	h->curl_error[0] = '\0';
	if (!str_format(type_header, sizeof(type_header), "Content-Type: %s",
			req->content_type ? req->content_type : "application/json"))
		return err_set(reterr, ERR_LIMIT, "the content type is longer than %d bytes",
			       HTTP_TYPE_MAX);
	headers = curl_slist_append(NULL, req->body ? type_header : "Content-Type:");
	set_body(h->curl, req);
	curl_easy_setopt(h->curl, CURLOPT_URL, url);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, &x);
	code = curl_easy_perform(h->curl);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	if (code != CURLE_OK)
		return fail(&x, code, reterr);
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(h->curl, CURLINFO_CONTENT_TYPE, &type);
	ret->status = (int)status;
	if (!str_copy(ret->content_type, sizeof(ret->content_type), type ? type : ""))
		return err_set(reterr, ERR_LIMIT,
			       "the answer's content type is longer than %d bytes", HTTP_TYPE_MAX);
	return 0;
}
