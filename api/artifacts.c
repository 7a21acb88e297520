/* SPDX-License-Identifier: MIT */
/*
 * Serves the files of an attempt below DIR/work/{model,output,checkpoints}. Paths come from
 * clients, and the job's user may create links and pipes there. So base/beneath.h opens every path,
 * and only regular files are served. Artifacts of an attempt on SageMaker are in S3 and are only
 * listed. The server's threads run this.
 */
#include "api/handlers.h"

#include "api/account.h"
#include "api/range.h"
#include "api/reply.h"
#include "base/beneath.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define ARTIFACTS_MAX	    2000 /* entries in one list; prefix= selects fewer */
#define ARTIFACTS_DEPTH_MAX 16
#define ARTIFACT_PATH_MAX   1024
#define ESCAPE_LEN	    4 /* "\\xNN" */
#define UTF8_LEN_MAX	    4
#define ARTIFACT_SHOWN_MAX  (ARTIFACT_PATH_MAX * ESCAPE_LEN)

static const char *const roots[] = {"model", "output", "checkpoints"};

static bool in_roots(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
		size_t n = strlen(roots[i]);

		if (strncmp(path, roots[i], n) == 0 && (!path[n] || path[n] == '/'))
			return true;
	}
	return false;
}

/* Find the requested attempt. Returns false if an error was replied. */
static bool find_attempt(struct request *rq, struct attempt_dir *ret)
{
	struct store_reader *sr = request_reader(rq);
	int64_t attempt = 0;
	struct err e;
	int r;

	if (!sr || !request_param_int(rq, "attempt", 1, INT32_MAX, &attempt))
		return false;
	r = store_read_attempt_dir(sr, rq->args[0], (int)attempt, ret, &e);
	if (r < 0)
		reply_error(rq, r, &e);
	return r >= 0;
}

/* Find the S3 locations of an attempt on SageMaker. *ret is NULL if the attempt ran locally.
 * Returns false if an error was replied. */
static bool find_uris(struct request *rq, const struct attempt_dir *place, json_t **ret)
{
	struct err e;
	int r = store_read_attempt_uris(request_reader(rq), rq->args[0], place->attempt, ret, &e);

	if (r < 0)
		reply_error(rq, r, &e);
	return r >= 0;
}

/* List the S3 locations; the result is the reply. Takes over `uris`. */
static void list_uris(struct request *rq, json_t *uris)
{
	struct account_query *q = account_query_of(rq);

	if (!q) {
		json_decref(uris);
		return;
	}
	q->kind = ACCOUNT_ARTIFACTS;
	q->about = uris;
	q->region = json_get_str(uris, "region", NULL);
	q->places = json_object_get(uris, "places");
	q->path_prefix = request_param(rq, "prefix");
	account_ask(rq);
}

/* True if the error means that no such file may be served. Other errors prove nothing about the
 * file. */
static bool is_absent(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ENAMETOOLONG || r == -EACCES || r == -EPERM ||
	       r == -ERR_INVALID;
}

/* Reply that the work directory is missing or is no directory. */
static void reply_absent(struct request *rq, const struct attempt_dir *place)
{
	char work[sizeof(place->dir) + sizeof("/work")];
	struct err e;
	int r;

	str_must_format(work, sizeof(work), "%s/work", place->dir);
	r = store_read_folder_check(request_reader(rq), work, &e);
	if (r < 0)
		reply_error(rq, r, &e);
	else
		reply_problem(rq, 410, "gone",
			      "the files of this attempt no longer exist; retry the job to "
			      "make new ones");
}

/* Open the attempt's work directory. Returns -1 if an error was replied. */
static int open_work(struct request *rq, const struct attempt_dir *place)
{
	OWN(closep) int dir = -1;
	struct err e;
	int fd = -1, r = store_read_pruned(request_reader(rq), place->run, &e);

	if (r < 0) {
		reply_error(rq, r, &e);
		return -1;
	}
	if (!*place->dir) {
		reply_problem(rq, 404, "not_found", "a %s job makes no files",
			      job_kind_str(place->kind));
		return -1;
	}
	dir = open(place->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = dir < 0 ? err_errno(&e, errno, "open the directory of the attempt")
		    : beneath_open_dir(dir, "work", O_PATH, &fd, &e);
	if (is_absent(r))
		reply_absent(rq, place);
	else if (r < 0)
		reply_error(rq, r, &e);
	return fd;
}

struct listing {
	json_t *items;
	const char *prefix;
	bool truncated;
	int failed; /* not 0: a directory could not be read */
	struct err reason;
};

/* Length of the UTF-8 character at `s`; 0 if its first byte starts none. */
static size_t utf8_len(const char *s)
{
	size_t left = strnlen(s, UTF8_LEN_MAX);

	for (size_t n = 1; n <= left; n++)
		if (str_utf8_valid(s, n))
			return n;
	return 0;
}

/* Convert a path for JSON: bytes that are not UTF-8 become \xNN. Returns true if there are any. */
static bool path_escape(char shown[ARTIFACT_SHOWN_MAX], const char *path)
{
	char *to = shown;
	bool any = false;

	while (*path) {
		size_t n = utf8_len(path);

		if (n) {
			memcpy(to, path, n);
			to += n;
			path += n;
		} else {
			to += snprintf(to, ESCAPE_LEN + 1, "\\x%02x", (unsigned char)*path++);
			any = true;
		}
	}
	*to = '\0';
	return any;
}

/* Reverse path_escape(). Only escaped bytes are restored, never a dot or a slash. Returns false if
 * the result is longer than any listed path. */
static bool path_unescape(char path[ARTIFACT_PATH_MAX], const char *shown)
{
	char *to = path;

	while (*shown && to < path + ARTIFACT_PATH_MAX - 1) {
		int byte = str_starts(shown, "\\x") ? str_hex_byte(shown + 2) : -1;

		*to++ = byte >= 0x80 ? (char)byte : *shown;
		shown += byte >= 0x80 ? ESCAPE_LEN : 1;
	}
	*to = '\0';
	return !*shown;
}

static void list_file(struct listing *l, const char *path, bool escaped, const struct stat *st)
{
	char at[CLOCK_TEXT_LEN];
	json_t *item;
	int64_t modified_us =
		(int64_t)st->st_mtim.tv_sec * USEC_PER_SEC + st->st_mtim.tv_nsec / 1000;

	if (!str_starts(path, l->prefix))
		return;
	if (json_array_size(l->items) == ARTIFACTS_MAX) {
		l->truncated = true;
		return;
	}
	item = json_pack("{s:s, s:I, s:s}", "path", path, "size", (json_int_t)st->st_size,
			 "modified_at", clock_format(at, modified_us));
	if (escaped)
		json_object_set_new(item, "escaped", json_true());
	json_array_append_new(l->items, item);
}

/* True if a path below the directory `path` can begin with the prefix. */
static bool may_hold(const char *path, const char *prefix)
{
	size_t n = strlen(path), m = strlen(prefix);

	return strncmp(path, prefix, n < m ? n : m) == 0;
}

static int not_dots(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static void list_dir(struct listing *l, int work, const char *path, int depth)
{
	OWN(closep) int fd = -1;
	struct dirent **entries = NULL;
	struct err e;
	int n = 0;

	if (depth <= ARTIFACTS_DEPTH_MAX && !l->failed)
		n = beneath_open_dir(work, path, 0, &fd, &e);
	if (fd >= 0)
		n = scandirat(fd, ".", &entries, not_dots, alphasort);
	if (fd >= 0 && n < 0)
		n = err_errno(&e, errno, "read %s", path);
	if (n < 0 && !is_absent(n)) {
		l->failed = n;
		l->reason = e;
	}
	for (int i = 0; i < n; i++) {
		char child[ARTIFACT_PATH_MAX], shown[ARTIFACT_SHOWN_MAX];
		bool escaped;
		struct stat st;

		if (!l->truncated && path_join(child, sizeof(child), path, entries[i]->d_name) &&
		    fstatat(fd, entries[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			escaped = path_escape(shown, child);
			if (S_ISREG(st.st_mode))
				list_file(l, shown, escaped, &st);
			else if (S_ISDIR(st.st_mode) && may_hold(shown, l->prefix))
				list_dir(l, work, child, depth + 1);
		}
		free(entries[i]);
	}
	free(entries);
}

void jobs_artifacts(struct request *rq)
{
	const char *prefix = request_param(rq, "prefix");
	struct listing l = {.prefix = prefix ? prefix : ""};
	struct attempt_dir place;
	json_t *uris = NULL;
	OWN(closep) int work = -1;

	if (!request_id(rq, 'j') || !find_attempt(rq, &place) || !find_uris(rq, &place, &uris))
		return;
	if (uris) {
		list_uris(rq, uris);
		return;
	}
	work = open_work(rq, &place);
	if (work < 0)
		return;
	l.items = json_array();
	for (size_t i = 0; i < ARRAY_LEN(roots); i++)
		if (may_hold(roots[i], l.prefix))
			list_dir(&l, work, roots[i], 0);
	if (l.failed) {
		json_decref(l.items);
		reply_error(rq, l.failed, &l.reason);
		return;
	}
	reply_json(rq, 200, json_pack("{s:o, s:b}", "items", l.items, "truncated", l.truncated));
}

static const char *type_of(const char *path)
{
	if (str_ends(path, ".json"))
		return "application/json";
	if (str_ends(path, ".txt") || str_ends(path, ".log") || str_ends(path, ".csv"))
		return "text/plain; charset=utf-8";
	return "application/octet-stream";
}

static void reply_artifact(struct request *rq, int fd, const struct stat *st)
{
	const char *asked = request_header(rq, "Range");
	struct byte_range range = {0, (uint64_t)st->st_size};
	char text[80];
	int partial = 0;

	if (asked)
		partial = range_parse(asked, (uint64_t)st->st_size, &range);
	if (partial == -ERANGE) {
		close(fd);
		reply_problem(rq, 416, "out_of_range",
			      "the range '%.60s' lies beyond the end of the file, which has %lld "
			      "bytes; ask "
			      "for a part of the file",
			      asked, (long long)st->st_size);
		snprintf(text, sizeof(text), "bytes */%lld", (long long)st->st_size);
		reply_header(rq, "Content-Range", text);
		return;
	}
	reply_file(rq, partial > 0 ? 206 : 200, type_of(rq->rest), fd, range.first, range.len);
	reply_header(rq, "Accept-Ranges", "bytes");
	if (partial <= 0)
		return;
	snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%lld", range.first,
		 range.first + range.len - 1, (long long)st->st_size);
	reply_header(rq, "Content-Range", text);
}

void jobs_artifact(struct request *rq)
{
	OWN(closep) int work = -1;
	OWN(closep) int fd = -1;
	OWN(json_decrefp) json_t *uris = NULL;
	struct attempt_dir place;
	char etag[64], path[ARTIFACT_PATH_MAX];
	struct stat st;
	struct err e;
	int r;

	if (!request_id(rq, 'j'))
		return;
	if (!rq->rest || !path_is_inside(rq->rest) || !in_roots(rq->rest)) {
		reply_problem(rq, 404, "not_found",
			      "artifacts are files below model/, output/ and checkpoints/; "
			      "GET /v1/jobs/%s/artifacts lists them",
			      rq->args[0]);
		return;
	}
	if (!find_attempt(rq, &place) || !find_uris(rq, &place, &uris))
		return;
	if (uris) {
		reply_problem(
			rq, 404, "not_found",
			"the files of a job on SageMaker are in S3; GET /v1/jobs/%s/artifacts "
			"lists their addresses, and a download job fetches them",
			rq->args[0]);
		return;
	}
	work = open_work(rq, &place);
	if (work < 0)
		return;
	r = beneath_open(work, rq->rest, BENEATH_INNER_LINKS, INT64_MAX, &fd, &st, &e);
	if ((r == -ENOENT || r == -ENAMETOOLONG) && strstr(rq->rest, "\\x") &&
	    path_unescape(path, rq->rest))
		r = beneath_open(work, path, BENEATH_INNER_LINKS, INT64_MAX, &fd, &st, &e);
	if (r < 0 && !is_absent(r)) {
		reply_error(rq, r, &e);
		return;
	}
	if (r < 0) {
		reply_problem(rq, 404, "not_found", "there is no file '%.200s'%s%.200s", rq->rest,
			      r == -ERR_INVALID ? ": " : "", r == -ERR_INVALID ? e.msg : "");
		return;
	}
	snprintf(etag, sizeof(etag), "%" PRIx64 "-%" PRIx64 ".%lx", (uint64_t)st.st_size,
		 (uint64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	if (reply_etag(rq, etag))
		return;
	reply_artifact(rq, TAKE_FD(fd), &st);
	reply_etag(rq, etag);
}
