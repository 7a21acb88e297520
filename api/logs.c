/* SPDX-License-Identifier: MIT */
/*
 * GET …/logs of jobs and endpoints: streams an execution's log. With follow=1 the stream waits on
 * the feed for more, and ends after the execution has ended and every byte was sent. The server's
 * threads run this.
 */
#include "api/handlers.h"

#include "api/reply.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/feed.h"
#include "daemon/manager.h"
#include "wire/logfile.h"

#include <string.h>

#define LOG_TYPE	"text/plain; charset=utf-8"
/* A follower checks the file and its client at least once in this time. */
#define FOLLOW_SLICE_US (USEC_PER_SEC / 2)

struct log_stream {
	struct stream stream;
	struct api *api;
	struct MHD_Connection *connection;
	bool endpoint;
	char name[SPEC_NAME_MAX + 1]; /* the job's id or the endpoint's name */
	int attempt;		      /* 0 until the first attempt exists */
	bool pinned;		      /* True if attempt= was given */
	bool follow;
	bool counted;	   /* True if counted as a follower */
	bool ended;	   /* True if the file cannot grow */
	bool moved;	   /* True if a newer attempt has begun */
	struct err pruned; /* set if the run was pruned: only the end of its log is kept */
	int64_t end;	   /* without follow: the offset to stop at */
	struct logfile file;
	struct feed_waiter waiter;
};

static void log_free(struct stream *s)
{
	struct log_stream *ls = (struct log_stream *)s;

	if (ls->counted)
		api_count(ls->api, API_FOLLOWERS, -1);
	logfile_close(&ls->file);
	free(ls);
}

/* A job without an attempt. -ERR_NOT_FOUND if there is no such job. */
static int look_at_job(struct log_stream *ls, struct store_reader *sr, struct err *reterr)
{
	enum job_state state;
	json_t *job;
	int r = store_read_job(sr, ls->name, &job, reterr);

	if (r < 0)
		return r;
	ls->ended = job_state_parse(json_get_str(job, "state", ""), &state) >= 0 &&
		    job_state_is_final(state);
	json_decref(job);
	return 0;
}

/* True if the log cannot grow. A job's log continues with its next attempt; a deploy job ends
 * before its endpoint does. */
static bool is_over(const struct log_stream *ls, const struct attempt_dir *place)
{
	if (ls->endpoint || ls->pinned)
		return place->ended;
	return job_state_is_final(place->job_state) &&
	       (place->ended || place->kind == JOB_DEPLOY || !*place->dir);
}

/* Handle a missing log: nothing has run yet, or the log was removed, because every program that ran
 * had one. A follower of a job that will be retried gets the log of the next attempt. */
static int no_log(const struct log_stream *ls, struct store_reader *sr,
		  const struct attempt_dir *place, struct err *reterr)
{
	char path[sizeof(place->dir) + sizeof("/log")];

	if (ls->follow && !ls->ended && place->ended)
		return 0;
	str_must_format(path, sizeof(path), "%s%s", place->dir, place->ended ? "/log" : "");
	return store_read_folder_check(sr, path, reterr);
}

/* Read the log's location, its end and the newest attempt from the database. Returns 0 or a
 * negative error. */
static int look(struct log_stream *ls, struct store_reader *sr, struct err *reterr)
{
	struct attempt_dir place;
	int r;

	if (ls->endpoint)
		r = store_read_endpoint_dir(sr, ls->name, &place, reterr);
	else
		r = store_read_attempt_dir(sr, ls->name, ls->pinned ? ls->attempt : 0, &place,
					   reterr);
	if (r == -ERR_NOT_FOUND && !ls->endpoint && !ls->pinned)
		return look_at_job(ls, sr, reterr);
	if (r < 0)
		return r;
	if (ls->attempt && place.attempt != ls->attempt) {
		ls->moved = true; /* the rest of the old file is sent first */
		return 0;
	}
	ls->attempt = place.attempt;
	ls->ended = is_over(ls, &place);
	if (!*place.dir || ls->file.fd >= 0)
		return 0;
	r = store_read_pruned(sr, place.run, &ls->pruned);
	if (r < 0 && r != -ERR_PRUNED) {
		*reterr = ls->pruned;
		return r;
	}
	r = logfile_open(&ls->file, place.dir, reterr);
	return r == -ENOENT ? no_log(ls, sr, &place, reterr) : r;
}

/* Switch to the newer attempt. */
static void move_on(struct log_stream *ls)
{
	logfile_close(&ls->file);
	ls->file = (struct logfile)LOGFILE_CLOSED;
	ls->attempt = 0;
	ls->moved = false;
	logfile_say(&ls->file, "[trainyard: the next attempt begins here]\n");
}

static int look_again(struct log_stream *ls)
{
	struct store_reader *sr;
	int r = api_reader_take(ls->api, &sr, NULL);

	if (r < 0)
		return r;
	r = look(ls, sr, NULL);
	api_reader_give(ls->api, sr);
	return r;
}

static void on_news(struct feed_waiter *w)
{
	struct log_stream *ls = w->userdata;

	connection_resume(ls->api, ls->connection);
}

static bool has_more(const struct log_stream *ls)
{
	return ls->file.fd >= 0 && logfile_size(&ls->file) > ls->file.offset;
}

/* Suspend until the log may have grown. After feed_wait() another thread may already run the
 * stream, so set all fields before. If the file has grown meanwhile, the wait ends at once. */
static ssize_t wait_for_more(struct log_stream *ls, int64_t since)
{
	struct feed *feed = manager_feed(ls->api->manager);

	ls->waiter.since = since;
	ls->waiter.deadline_mono_us = clock_mono_us() + FOLLOW_SLICE_US;
	connection_suspend(ls->api, ls->connection);
	if (!feed_wait(feed, &ls->waiter)) {
		connection_resume(ls->api, ls->connection);
		return STREAM_WAIT;
	}
	if (has_more(ls) && feed_cancel(feed, &ls->waiter))
		connection_resume(ls->api, ls->connection);
	return STREAM_WAIT;
}

static ssize_t read_follow(struct log_stream *ls, char *buf, size_t max)
{
	for (;;) {
		int64_t since = feed_last_seq(manager_feed(ls->api->manager));
		ssize_t n = logfile_read(&ls->file, INT64_MAX, buf, max);

		if (n)
			return n > 0 ? n : STREAM_ABORT;
		if (ls->ended)
			return STREAM_END;
		if (api_stopping(ls->api) || connection_gone(ls->connection))
			return STREAM_ABORT;
		if (ls->moved)
			move_on(ls);
		else if (look_again(ls) < 0)
			return STREAM_ABORT;
		else if (!ls->ended && !ls->moved && !has_more(ls))
			return wait_for_more(ls, since);
		/* Read the file once more after its end is known; only then is the end final. */
	}
}

static ssize_t log_read(struct stream *s, char *buf, size_t max)
{
	struct log_stream *ls = (struct log_stream *)s;
	ssize_t n;

	if (ls->follow)
		return read_follow(ls, buf, max);
	n = logfile_read(&ls->file, ls->end, buf, max);
	if (n == 0)
		return STREAM_END;
	return n > 0 ? n : STREAM_ABORT;
}

/* The parameters offset=, tail= and limit=. */
struct window {
	int64_t offset, tail, limit; /* tail -1: not given */
};

/* Returns false if an error was replied. */
static bool read_window(struct request *rq, bool follow, struct window *w)
{
	*w = (struct window){.tail = -1, .limit = INT64_MAX};
	if (!request_param_int(rq, "offset", 0, INT64_MAX, &w->offset) ||
	    !request_param_int(rq, "tail", 0, LOGFILE_TAIL_MAX, &w->tail) ||
	    !request_param_int(rq, "limit", 1, INT64_MAX, &w->limit))
		return false;
	if (w->tail >= 0 && request_param(rq, "offset")) {
		reply_problem(rq, 400, "invalid_parameter",
			      "'offset' and 'tail' exclude each other; give one of them");
		return false;
	}
	if (follow && w->limit != INT64_MAX) {
		reply_problem(rq, 400, "invalid_parameter",
			      "'follow' and 'limit' exclude each other; give one of them");
		return false;
	}
	return true;
}

/* True if the requested bytes were removed with the files of the run: the whole log, or the part
 * before its end. */
static bool is_pruned(const struct request *rq, const struct log_stream *ls)
{
	int64_t offset = 0;

	if (!ls->pruned.code)
		return false;
	if (ls->file.fd < 0)
		return true;
	return str_to_i64(request_param(rq, "offset") ? request_param(rq, "offset") : "",
			  &offset) >= 0 &&
	       offset < logfile_start(&ls->file);
}

/* Find the start and the end of the reply in the file. Returns false if an error was replied. */
static bool place_window(struct request *rq, struct log_stream *ls, const struct window *w)
{
	int64_t size = ls->file.fd >= 0 ? logfile_size(&ls->file) : 0;
	int64_t offset = w->offset;

	if (size < 0)
		size = 0;
	if (offset > size) {
		reply_problem(rq, 416, "out_of_range",
			      "the offset %lld is beyond the end of the log; give at most %lld",
			      (long long)offset, (long long)size);
		return false;
	}
	if (is_pruned(rq, ls)) {
		reply_error(rq, -ERR_PRUNED, &ls->pruned);
		return false;
	}
	if (w->tail >= 0 && ls->file.fd >= 0)
		offset = logfile_tail(&ls->file, w->tail);
	else if (ls->pruned.code && !request_param(rq, "offset"))
		offset = logfile_start(&ls->file);
	ls->file.offset = offset;
	ls->end = w->limit < size - offset ? offset + w->limit : size;
	return true;
}

static void reply_log(struct request *rq, struct log_stream *ls)
{
	bool follow = ls->follow;
	int64_t start = ls->file.offset, end = ls->end;
	int attempt = ls->attempt;

	reply_stream(rq, 200, LOG_TYPE, &ls->stream);
	reply_header_int(rq, "X-Log-Offset", start);
	if (!follow)
		reply_header_int(rq, "X-Log-Next-Offset", end);
	if (attempt)
		reply_header_int(rq, "X-Attempt", attempt);
}

static bool start_follow(struct request *rq, struct log_stream *ls, const char *job)
{
	if (!api_count_below(rq->api, API_FOLLOWERS, API_FOLLOWERS_MAX)) {
		reply_problem(rq, 429, "too_many_followers",
			      "%d logs are being followed, which is the limit; end one of the "
			      "requests and try again",
			      API_FOLLOWERS_MAX);
		return false;
	}
	ls->counted = true;
	str_must_copy(ls->waiter.filter.job, sizeof(ls->waiter.filter.job), job);
	ls->waiter.wake = true;
	ls->waiter.fn = on_news;
	ls->waiter.userdata = ls;
	return true;
}

static void logs(struct request *rq, bool endpoint, const char *job)
{
	struct store_reader *sr = request_reader(rq);
	struct log_stream *ls = calloc(1, sizeof(*ls));
	int64_t attempt = 0;
	bool follow = false;
	struct window window;
	struct err e;
	int r;

	if (!sr || !ls) {
		free(ls);
		return;
	}
	ls->stream = (struct stream){.read = log_read, .free = log_free};
	ls->file = (struct logfile)LOGFILE_CLOSED;
	ls->api = rq->api;
	ls->connection = rq->connection;
	ls->endpoint = endpoint;
	str_must_copy(ls->name, sizeof(ls->name), rq->args[0]);
	if (!request_param_int(rq, "attempt", 1, INT32_MAX, &attempt) ||
	    !request_param_bool(rq, "follow", &follow) || !read_window(rq, follow, &window))
		goto out;
	ls->attempt = (int)attempt;
	ls->pinned = attempt != 0;
	ls->follow = follow;
	r = look(ls, sr, &e);
	if (r < 0) {
		reply_error(rq, r, &e);
		goto out;
	}
	if (follow && !start_follow(rq, ls, job))
		goto out;
	if (!place_window(rq, ls, &window))
		goto out;
	reply_log(rq, TAKE(ls));
out:
	if (ls)
		log_free(&ls->stream);
}

void jobs_logs(struct request *rq)
{
	if (request_id(rq, 'j'))
		logs(rq, false, rq->args[0]);
}

void endpoints_logs(struct request *rq)
{
	OWN(json_decrefp) json_t *endpoint = request_endpoint(rq);

	if (endpoint)
		logs(rq, true, json_get_str(endpoint, "job", ""));
}
