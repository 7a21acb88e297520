/* SPDX-License-Identifier: MIT */
/* See get.h: the download of one file, from its end on disk to its end on the server. */
#include "transfer/http/get.h"

#include "base/fileio.h"
#include "base/hash.h"
#include "base/own.h"
#include "base/str.h"
#include "net/url.h"
#include "transfer/http/exchange.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define READ_BYTES   (1 << 18)
#define GIT_FILE_MAX (64u << 20) /* files outside LFS are small: the hub's limit is 10 MB */

struct download {
	struct net_request rq; /* must be first: on_data gets only this */
	struct transfer *t;
	const struct http_get_file *get;
	char url[NET_URL_MAX];
	char range[64];
	int fd;
	int64_t offset; /* size of the file on disk */
	bool begun;	/* True if the answer's headers were checked */
	bool announced; /* True if progress knows the bytes to come */
	bool too_long, too_large, wrong_range;
	int disk_error;
	struct hash *sha256; /* of the bytes on disk; NULL: no SHA-256 is wanted */
};

static void download_done(struct download *d)
{
	net_request_done(&d->rq);
	hash_free(d->sha256);
	closep(&d->fd);
}

/* Truncate the file. 0 or -errno. */
static int start_over(struct download *d)
{
	if (ftruncate(d->fd, 0) < 0)
		return -errno;
	if (d->announced)
		transfer_expect(d->t, d->offset);
	d->offset = 0;
	if (d->sha256) {
		hash_free(d->sha256);
		d->sha256 = hash_new();
	}
	return 0;
}

/* ---- on the net thread ---- */

static bool begin_body(struct download *d)
{
	char text[96];
	int64_t from = 0, len;

	d->begun = true;
	if (!net_reply_header(&d->rq, "Content-Length", text, sizeof(text)) ||
	    str_to_i64(text, &len) < 0)
		len = 0;
	if (net_reply_header(&d->rq, "Content-Range", text, sizeof(text))) {
		from = str_starts(text, "bytes ") ? strtoll(text + strlen("bytes "), NULL, 10) : -1;
		if (from != d->offset) {
			d->wrong_range = true;
			return false;
		}
	} else if (d->offset > 0) { /* the server ignores ranges */
		d->disk_error = -start_over(d);
		if (d->disk_error)
			return false;
	}
	d->too_large = d->get->size_max && len > d->get->size_max - d->offset;
	if (d->too_large)
		return false;
	if (!d->announced && len > 0) {
		d->announced = true;
		transfer_expect(d->t, len);
	}
	return true;
}

static bool on_data(struct net_request *rq, const char *data, size_t len)
{
	struct download *d = (struct download *)rq;

	if (*d->t->stop || (!d->begun && !begin_body(d)))
		return false;
	d->too_long = d->get->size >= 0 && d->offset + (int64_t)len > d->get->size;
	d->too_large = d->get->size_max && d->offset + (int64_t)len > d->get->size_max;
	if (d->too_long || d->too_large)
		return false;
	for (size_t at = 0; at < len;) {
		ssize_t n = pwrite(d->fd, data + at, len - at, d->offset + (int64_t)at);

		if (n < 0 && errno != EINTR) {
			d->disk_error = errno;
			return false;
		}
		at += n > 0 ? (size_t)n : 0;
	}
	if (d->sha256)
		hash_update(d->sha256, data, len);
	d->offset += (int64_t)len;
	transfer_moved(d->t, (int64_t)len);
	return true;
}

/* ---- on the main thread ---- */

/* Add the bytes of an earlier attempt to the running digest. */
static int take_up(struct download *d, struct err *reterr)
{
	OWN(freep) char *chunk = malloc(READ_BYTES);
	struct stat st;
	ssize_t n;

	if (!chunk || fstat(d->fd, &st) < 0)
		return err_errno(reterr, chunk ? errno : ENOMEM, "open %s", d->get->path);
	if (d->get->size >= 0 && st.st_size > d->get->size)
		return start_over(d) < 0 ? err_errno(reterr, errno, "write %s", d->get->path) : 0;
	while (d->sha256 && d->offset < st.st_size &&
	       (n = pread(d->fd, chunk, READ_BYTES, d->offset)) > 0) {
		hash_update(d->sha256, chunk, (size_t)n);
		d->offset += n;
	}
	if (d->sha256 && d->offset < st.st_size)
		return err_errno(reterr, EIO, "read %s", d->get->path);
	d->offset = st.st_size;
	return 0;
}

static int download_init(struct download *d, struct transfer *t, const struct http_get_file *get,
			 struct err *reterr)
{
	*d = (struct download){.t = t, .get = get};
	net_request_init(&d->rq);
	d->fd = open(get->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (d->fd < 0)
		return err_errno(reterr, errno, "write %s", get->path);
	if (get->digest == HTTP_SHA256)
		d->sha256 = hash_new();
	return take_up(d, reterr);
}

static int send_once(struct download *d, struct err *reterr)
{
	struct net_request *rq = &d->rq;

	net_request_done(rq);
	net_request_init(rq);
	d->begun = false;
	rq->url = d->url;
	rq->on_data = on_data;
	rq->public_only = d->get->public_only;
	rq->headers[rq->headers_n++] = "Accept-Encoding: identity";
	if (d->get->authorization && url_same_origin(d->get->url, d->url))
		rq->headers[rq->headers_n++] = d->get->authorization;
	if (d->offset > 0) {
		snprintf(d->range, sizeof(d->range), "Range: bytes=%" PRId64 "-", d->offset);
		rq->headers[rq->headers_n++] = d->range;
	}
	return exchange_run(d->t, rq, reterr);
}

/* One attempt, redirects included. Each attempt begins at the first address, because a signed one
 * expires. */
static int try_once(struct download *d, struct err *reterr)
{
	char next[NET_URL_MAX];
	int r;

	if (!str_copy(d->url, sizeof(d->url), d->get->url))
		return err_set(reterr, ERR_LIMIT, "the URL '%.64s…' has more than %d bytes",
			       d->get->url, NET_URL_MAX - 1);
	for (int i = 0; i <= HTTP_REDIRECTS_MAX; i++) {
		r = send_once(d, reterr);
		if (r < 0)
			return r;
		str_assign(next, d->url);
		if (!exchange_redirect(&d->rq, next, sizeof(next)))
			return 0;
		str_assign(d->url, next);
	}
	return err_set(reterr, ERR_NOT_FOUND, "the server redirects more than %d times",
		       HTTP_REDIRECTS_MAX);
}

/* The error of a permanent failure, or 0. */
static int lasting(const struct download *d, int r, int *ret_status, struct err *reterr)
{
	char origin[NET_URL_MAX];

	if (r == -ERR_CANCELLED && *d->t->stop)
		return r;
	if (d->disk_error)
		return err_errno(reterr, d->disk_error, "write %s", d->get->path);
	if (d->too_long)
		return err_set(reterr, ERR_CORRUPT,
			       "the body is longer than the %" PRId64
			       " bytes that the server announced",
			       d->get->size);
	if (d->too_large)
		return err_set(reterr, ERR_LIMIT,
			       "the body is larger than the %" PRId64
			       " bytes of local.max_download",
			       d->get->size_max);
	if (r == -ERR_LIMIT) {
		url_origin(d->url, origin, sizeof(origin));
		return err_set(reterr, ERR_UNAVAILABLE, "%s sends too many headers; check the URL",
			       origin);
	}
	if (r < 0)
		return exchange_passing(&d->rq, r) || d->wrong_range ? 0 : r;
	if (d->rq.status < 300 || d->rq.status == 416 || exchange_passing(&d->rq, 0))
		return 0;
	*ret_status = d->rq.status;
	url_origin(d->url, origin, sizeof(origin));
	return err_set(reterr, ERR_NOT_FOUND, "%s answers with HTTP status %d", origin,
		       d->rq.status);
}

/* The error after the last of HTTP_TRIES attempts. */
static int give_up(const struct download *d, int r, struct err *reterr)
{
	char origin[NET_URL_MAX];

	url_origin(d->url, origin, sizeof(origin));
	if (r >= 0 && d->rq.status < 300)
		r = err_set(reterr, ERR_UNAVAILABLE, "%s ends its answer too early", origin);
	else if (r >= 0)
		r = err_set(reterr, ERR_UNAVAILABLE, "%s answers with HTTP status %d", origin,
			    d->rq.status);
	else
		r = err_set(reterr, r == -ETIMEDOUT ? ETIMEDOUT : ERR_UNAVAILABLE, "%s: %s", origin,
			    d->wrong_range ? "the server sends another part than the one asked for"
					   : d->rq.err.msg);
	return r;
}

static bool is_whole(const struct download *d, int r)
{
	if (d->get->size >= 0)
		return d->offset == d->get->size;
	return r >= 0 && d->rq.status >= 200 && d->rq.status < 300;
}

static int fetch_all(struct download *d, int *ret_status, struct err *reterr)
{
	int tries = 0, r;

	if (d->get->size >= 0 && d->offset == d->get->size)
		return 0;
	for (;;) {
		int64_t before = d->offset;

		d->wrong_range = false;
		r = try_once(d, reterr);
		if (is_whole(d, r))
			return 0;
		if (lasting(d, r, ret_status, reterr) < 0)
			return reterr ? -reterr->code : r;
		tries = d->offset > before ? 1 : tries + 1;
		if (tries == HTTP_TRIES)
			return give_up(d, r, reterr);
		if ((d->rq.status == 416 || d->wrong_range) && start_over(d) < 0)
			return err_errno(reterr, errno, "write %s", d->get->path);
		r = exchange_pause(d->t, &d->rq, tries - 1, reterr);
		if (r < 0)
			return r;
	}
}

static int check_git(const char *path, const char *hex, struct err *reterr)
{
	OWN(buf_done) struct buf file = BUF_INIT(GIT_FILE_MAX);
	OWN(buf_done) struct buf blob = BUF_INIT(GIT_FILE_MAX + 64);
	char sum[HASH_SHA1_HEX_LEN];
	int r = file_read(AT_FDCWD, path, &file, reterr);

	if (r < 0)
		return r;
	buf_printf(&blob, "blob %zu", file.len);
	buf_put(&blob, "", 1);
	if (buf_put(&blob, file.data, file.len) < 0)
		return err_errno(reterr, ENOMEM, "check %s", path);
	hash_sha1(blob.data, blob.len, sum);
	return !str_eq(sum, hex);
}

/* 0: the file's digest is `hex`, 1: it is another one, negative: an error. */
static int http_check_digest(const char *path, enum http_digest digest, const char *hex,
			     struct err *reterr)
{
	char sum[HASH_HEX_LEN];
	int r;

	switch (digest) {
	case HTTP_NO_DIGEST:
		return 0;
	case HTTP_GIT_SHA1:
		return check_git(path, hex, reterr);
	case HTTP_SHA256:
		break;
	}
	r = hash_file(AT_FDCWD, path, sum, reterr);
	return r < 0 ? r : !str_eq(sum, hex);
}

/* 0: the file is as expected, 1: it is not. */
static int check(struct download *d, struct err *reterr)
{
	char hex[HASH_HEX_LEN];

	if (!d->sha256)
		return http_check_digest(d->get->path, d->get->digest, d->get->hex, reterr);
	hash_hex(d->sha256, hex);
	return !str_eq(hex, d->get->hex);
}

int http_get_file(struct transfer *t, const struct http_get_file *get, int *ret_status,
		  struct err *reterr)
{
	struct err local;
	int r = 0;

	if (!reterr)
		reterr = &local;
	*ret_status = 0;
	for (int again = 0; again < 2; again++) {
		OWN(download_done) struct download d = {.fd = -1};

		r = download_init(&d, t, get, reterr);
		if (r >= 0)
			r = fetch_all(&d, ret_status, reterr);
		if (r >= 0)
			r = check(&d, reterr);
		if (r == -ERR_CORRUPT || r == -ERR_LIMIT || r == 1)
			unlink(get->path);
		if (r != 1)
			return r;
	}
	return err_set(reterr, ERR_CORRUPT, "the checksum of the body is not the expected one, %s",
		       get->hex);
}
