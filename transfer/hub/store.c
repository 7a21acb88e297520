/* SPDX-License-Identifier: MIT */
/* See hub.h: the fetch of one file into the hub's cache. */
#include "base/fileio.h"
#include "base/id.h"
#include "base/own.h"
#include "base/percent.h"
#include "base/str.h"
#include "transfer/hub/hub.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define ETAG_MAX 129
#define WAIT_US	 (100 * 1000)

/* A file as a HEAD of resolve/ describes it. */
struct remote {
	char url[NET_URL_MAX]; /* at the hub; may redirect to the bytes */
	char etag[ETAG_MAX];
	int64_t size; /* negative: not known */
};

static bool is_hex(const char *s, size_t len)
{
	return strlen(s) == len && strspn(s, "0123456789abcdef") == len;
}

/* Reduce W/"x" to x. False if x is no valid file name. */
static bool clean_etag(const char *header, char etag[ETAG_MAX])
{
	size_t len;

	header += strspn(header, "W/");
	header += *header == '"';
	len = strcspn(header, "\"");
	if (!len || len >= ETAG_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)header[i]) && !strchr("_-", header[i]))
			return false;
	memcpy(etag, header, len);
	etag[len] = '\0';
	return true;
}

static int read_remote(const struct hub *h, const char *file, const struct http_get_answer *answer,
		       struct remote *ret, struct err *reterr)
{
	const struct net_request *rq = &answer->rq;
	char text[256], size[32];
	bool redirect = rq->status >= 300;

	if (!net_reply_header(rq, "X-Linked-Etag", text, sizeof(text)) &&
	    !net_reply_header(rq, "ETag", text, sizeof(text)))
		text[0] = '\0';
	if (!clean_etag(text, ret->etag))
		return err_set(reterr, ERR_CORRUPT,
			       "%s sends no ETag for %s, so the content cannot be identified; "
			       "check HF_ENDPOINT",
			       h->endpoint, file);
	if ((!net_reply_header(rq, "X-Linked-Size", size, sizeof(size)) &&
	     (redirect || !net_reply_header(rq, "Content-Length", size, sizeof(size)))) ||
	    str_to_i64(size, &ret->size) < 0)
		ret->size = -1;
	str_assign(ret->url, answer->url);
	return 0;
}

static int ask_file(struct hub *h, const char *file, struct remote *ret, struct err *reterr)
{
	OWN(http_get_answer_done) struct http_get_answer answer = {0};
	OWN(buf_done) struct buf url = BUF_INIT(NET_URL_MAX - 1);
	struct http_get_request ask = {.method = "HEAD",
				       .authorization =
					       h->authorization[0] ? h->authorization : NULL,
				       .stay = true};
	int r;

	buf_printf(&url, "%s/%s%s/resolve/%s/", h->endpoint, h->dataset ? "datasets/" : "", h->repo,
		   h->commit);
	percent_encode(&url, file, "/");
	if (!buf_ok(&url))
		return err_errno(reterr, ENAMETOOLONG, "fetch %s", file);
	ask.url = buf_str(&url);
	r = http_get_request(h->t, &ask, &answer, reterr);
	if (r < 0)
		return hub_unreachable(h, r, reterr);
	if (answer.rq.status >= 400)
		return hub_refused(h, &answer.rq, file, reterr);
	return read_remote(h, file, &answer, ret, reterr);
}

/* Take the lock of huggingface_hub, so that the file is not downloaded twice. */
static int lock_blob(const struct hub *h, const char *dir, const char *etag, int *ret_fd,
		     struct err *reterr)
{
	char folder[PATH_MAX], path[PATH_MAX];
	OWN(closep) int fd = -1;
	int r;

	if (snprintf(folder, sizeof(folder), "%s/.locks%s", h->cache, dir + strlen(h->cache)) >=
		    (int)sizeof(folder) ||
	    snprintf(path, sizeof(path), "%s/%s.lock", folder, etag) >= (int)sizeof(path))
		return err_errno(reterr, ENAMETOOLONG, "lock %s", dir);
	r = dir_make(AT_FDCWD, folder, 0755, reterr);
	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_errno(reterr, errno, "open %s", path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_errno(reterr, errno, "lock %s", path);
		r = transfer_stopped(h->t, reterr);
		if (r < 0)
			return r;
		usleep(WAIT_US);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int name_blob(const char *partial, const char *blob, struct err *reterr)
{
	OWN(closep) int fd = open(partial, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_errno(reterr, errno, "open %s", partial)
		      : file_name_durably(fd, partial, blob, reterr);
}

static int download(struct hub *h, const char *file, const struct remote *remote, const char *blob,
		    struct err *reterr)
{
	char partial[PATH_MAX], what[128];
	int64_t left = h->t->limits.download - h->bytes;
	struct stat st = {0};
	struct http_get_file get = {.url = remote->url,
				    .authorization = h->authorization[0] ? h->authorization : NULL,
				    .path = partial,
				    .size = remote->size,
				    .size_max = left > 0 ? left : 1,
				    .hex = remote->etag};
	int status, r;

	if (snprintf(partial, sizeof(partial), "%s.incomplete", blob) >= (int)sizeof(partial))
		return err_errno(reterr, ENAMETOOLONG, "write %s", blob);
	hub_what(h, what, sizeof(what));
	(void)!stat(partial, &st);
	r = remote->size < 0 ? 0 : transfer_add_size(h->t, what, remote->size, &h->bytes, reterr);
	if (r >= 0 && remote->size > 0)
		r = transfer_check_room(h->t, h->cache, what, remote->size - st.st_size, reterr);
	if (r < 0)
		return r;
	if (is_hex(remote->etag, 64))
		get.digest = HTTP_SHA256;
	else if (is_hex(remote->etag, 40))
		get.digest = HTTP_GIT_SHA1;
	r = http_get_file(h->t, &get, &status, reterr);
	if (remote->size < 0 &&
	    r == -ERR_LIMIT) /* the body has no end, or passes the limit of the item */
		return transfer_add_size(h->t, what, INT64_MAX, &h->bytes, reterr);
	if (r >= 0 && remote->size < 0 && stat(partial, &st) == 0)
		r = transfer_add_size(h->t, what, st.st_size, &h->bytes, reterr);
	if (r >= 0)
		r = name_blob(partial, blob, reterr);
	if (r >= 0 || r == -ERR_CANCELLED)
		return r;
	if (r == -ERR_UNAVAILABLE || r == -ETIMEDOUT || r == -ERR_NOT_FOUND)
		h->t->failure_code = "transfer_failed";
	return err_ctx(reterr, r, "cannot download %s of %s", file, what);
}

/* Put the snapshot's link in place, atomically. */
static int point(const char *dir, const char *commit, const char *file, const char *etag,
		 struct err *reterr)
{
	OWN(buf_done) struct buf target = BUF_INIT(PATH_MAX);
	char path[PATH_MAX], temporary[PATH_MAX], id[ID_LEN], *slash;
	int r;

	if (snprintf(path, sizeof(path), "%s/snapshots/%s/%s", dir, commit, file) >=
	    (int)sizeof(path))
		return err_errno(reterr, ENAMETOOLONG, "write %s", file);
	for (const char *c = file; *c; c++)
		if (*c == '/')
			buf_puts(&target, "../");
	if (buf_printf(&target, "../../blobs/%s", etag) < 0)
		return err_errno(reterr, ENAMETOOLONG, "write %s", file);
	slash = strrchr(path, '/');
	*slash = '\0';
	r = dir_make(AT_FDCWD, path, 0755, reterr);
	id_new('t', id);
	if (r >= 0 &&
	    snprintf(temporary, sizeof(temporary), "%s/.%s", path, id) >= (int)sizeof(temporary))
		r = err_errno(reterr, ENAMETOOLONG, "write %s", file);
	*slash = '/';
	if (r < 0)
		return r;
	if (symlink(buf_str(&target), temporary) < 0)
		return err_errno(reterr, errno, "link %s", path);
	r = file_name_durably(-1, temporary, path, reterr);
	if (r < 0)
		unlink(temporary);
	return r;
}

static int fetch_blob(struct hub *h, const char *dir, const char *file, struct err *reterr)
{
	OWN(freep) struct remote *remote = calloc(1, sizeof(*remote));
	OWN(closep) int lock = -1;
	char blob[PATH_MAX];
	int r;

	if (!remote)
		return err_errno(reterr, ENOMEM, "fetch %s", file);
	r = ask_file(h, file, remote, reterr);
	if (r >= 0 && snprintf(blob, sizeof(blob), "%s/blobs", dir) >= (int)sizeof(blob))
		r = err_errno(reterr, ENAMETOOLONG, "write %s", dir);
	if (r >= 0)
		r = dir_make(AT_FDCWD, blob, 0755, reterr);
	if (r >= 0)
		r = lock_blob(h, dir, remote->etag, &lock, reterr);
	if (r >= 0 &&
	    snprintf(blob, sizeof(blob), "%s/blobs/%s", dir, remote->etag) >= (int)sizeof(blob))
		r = err_errno(reterr, ENAMETOOLONG, "write %s", dir);
	if (r >= 0 && !path_exists(AT_FDCWD, blob))
		r = download(h, file, remote, blob, reterr);
	return r < 0 ? r : point(dir, h->commit, file, remote->etag, reterr);
}

int hub_store_file(struct hub *h, const char *file, char path[PATH_MAX], struct err *reterr)
{
	char dir[PATH_MAX], what[128];
	struct stat st;

	if (!path_is_inside(file) || !hub_store_dir(h, dir, sizeof(dir)) ||
	    snprintf(path, PATH_MAX, "%s/snapshots/%s/%s", dir, h->commit, file) >= PATH_MAX)
		return err_set(reterr, ERR_CORRUPT, "'%s' cannot be the name of a file", file);
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		return 0;
	if (h->from_cache) {
		h->t->failure_code = "data_missing";
		return err_set(reterr, ERR_NOT_FOUND, "%s: %s of %s is not in the hub's cache (%s)",
			       h->offline ? "HF_HUB_OFFLINE is set" : "the hub cannot be reached",
			       file, hub_what(h, what, sizeof(what)), h->cache);
	}
	return fetch_blob(h, dir, file, reterr);
}
