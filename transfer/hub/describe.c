/* SPDX-License-Identifier: MIT */
/* See hub.h: the request about a repository, and the meaning of the hub's refusals. */
#include "base/own.h"
#include "base/percent.h"
#include "base/str.h"
#include "transfer/hub/hub.h"

#include <stdlib.h>
#include <string.h>

#define WHAT_MAX 128

/* ---- refusals ---- */

static int refuse(const struct hub *h, int code, const char *reason, struct err *reterr,
		  const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static int refuse(const struct hub *h, int code, const char *reason, struct err *reterr,
		  const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	str_vexcerptf(text, sizeof(text), fmt, ap);
	va_end(ap);
	h->t->failure_code = reason;
	return err_set(reterr, code, "%s", text);
}

static int refused_access(const struct hub *h, const char *code, const char *message,
			  const char *what, struct err *reterr)
{
	bool token = h->authorization[0];

	if (str_eq(code, "GatedRepo"))
		return refuse(h, EACCES, "credentials", reterr,
			      "%s is gated: ask for access at %s/%s%s, then %s", what, h->endpoint,
			      h->dataset ? "datasets/" : "", h->asked,
			      token ? "run the job again (the account of this token has none yet)"
				    : "set HF_TOKEN to a token of that account");
	if (token && (strstr(message, "credentials") || strstr(message, "Invalid username") ||
		      strstr(message, "token")))
		return refuse(h, EACCES, "credentials", reterr,
			      "the hub does not accept the token from %s, which is wrong or has "
			      "expired; set a valid one",
			      h->token_from);
	if (token)
		return refuse(h, ERR_NOT_FOUND, "data_missing", reterr,
			      "the hub at %s does not have %s, or the token from %s may not read "
			      "it",
			      h->endpoint, what, h->token_from);
	return refuse(h, ERR_NOT_FOUND, "data_missing", reterr,
		      "the hub at %s does not have %s, or it is private and needs a token in "
		      "HF_TOKEN",
		      h->endpoint, what);
}

int hub_refused(const struct hub *h, const struct net_request *rq, const char *file,
		struct err *reterr)
{
	char code[64] = "", message[512] = "", what[WHAT_MAX];

	hub_what(h, what, sizeof(what));
	net_reply_header(rq, "X-Error-Code", code, sizeof(code));
	net_reply_header(rq, "X-Error-Message", message, sizeof(message));
	if (str_eq(code, "RevisionNotFound"))
		return refuse(h, ERR_NOT_FOUND, "data_missing", reterr,
			      "%s has no revision '%s'; name one of its branches, tags or commits",
			      what, h->revision);
	if (str_eq(code, "EntryNotFound"))
		return refuse(h, ERR_NOT_FOUND, "data_missing", reterr,
			      "%s has no file %s at revision '%s'", what, file ? file : "",
			      h->revision);
	if (strstr(message, "is disabled"))
		return refuse(h, EACCES, "data_missing", reterr,
			      "the hub has disabled access to %s", what);
	if (rq->status == 401 || rq->status == 403 || str_eq(code, "GatedRepo") ||
	    str_eq(code, "RepoNotFound"))
		return refused_access(h, code, message, what, reterr);
	if (rq->status == 404)
		return refuse(h, ERR_NOT_FOUND, "data_missing", reterr,
			      "the hub at %s does not have %s", h->endpoint, what);
	if (rq->status == 429)
		return refuse(h, ERR_UNAVAILABLE, "throttled", reterr,
			      "the hub at %s asks for fewer requests (HTTP 429); try again later%s",
			      h->endpoint, h->authorization[0] ? "" : ", or set HF_TOKEN");
	return refuse(h, ERR_UNAVAILABLE, "transfer_failed", reterr,
		      "the hub at %s answers with HTTP status %d for %s%s%s", h->endpoint,
		      rq->status, what, message[0] ? ": " : "", message);
}

int hub_unreachable(const struct hub *h, int r, struct err *reterr)
{
	if (r == -ERR_CANCELLED)
		return r;
	h->t->failure_code = "transfer_failed";
	return err_ctx(reterr, r, "cannot reach the hub at %s", h->endpoint);
}

/* ---- the question ---- */

static int take_answer(struct hub *h, const struct net_request *rq, struct err *reterr)
{
	OWN(json_decrefp) json_t *info = NULL;
	const char *id, *sha;

	if (json_parse(buf_str(&rq->reply), rq->reply.len, &info, NULL) < 0 ||
	    !json_is_array(json_object_get(info, "siblings")))
		return refuse(h, ERR_CORRUPT, "transfer_failed", reterr,
			      "%s does not answer as a Hugging Face hub does; check HF_ENDPOINT",
			      h->endpoint);
	id = json_get_str(info, "id", h->asked);
	sha = json_get_str(info, "sha", "");
	if (strlen(sha) != HUB_COMMIT_LEN - 1 ||
	    strspn(sha, "0123456789abcdef") != HUB_COMMIT_LEN - 1 ||
	    json_array_size(json_object_get(info, "siblings")) > HUB_FILES_MAX)
		return refuse(h, ERR_CORRUPT, "transfer_failed", reterr,
			      "the hub names no commit for '%s', or more than %d files", h->asked,
			      HUB_FILES_MAX);
	/* paths contain the name, so accept only a valid one */
	if (h->dataset && hub_id_ok(id))
		str_must_copy(h->repo, sizeof(h->repo), id);
	str_must_copy(h->commit, sizeof(h->commit), sha);
	json_decref(h->info);
	h->info = TAKE(info);
	return 0;
}

/* *ret_status: HTTP status of the answer; 0: no answer. */
static int ask_hub(struct hub *h, const char *revision, struct http_get_answer *answer,
		   struct err *reterr)
{
	OWN(buf_done) struct buf url = BUF_INIT(NET_URL_MAX - 1);
	struct http_get_request ask = {.method = "GET",
				       .authorization =
					       h->authorization[0] ? h->authorization : NULL,
				       .reply_max = HUB_INFO_MAX};

	buf_printf(&url, "%s/api/%s/%s/revision/", h->endpoint, h->dataset ? "datasets" : "models",
		   h->asked);
	percent_encode(&url, revision, "");
	ask.url = buf_str(&url);
	return http_get_request(h->t, &ask, answer, reterr);
}

int hub_describe(struct hub *h, struct err *reterr)
{
	OWN(http_get_answer_done) struct http_get_answer answer = {0};
	struct err err = {0};
	int r;

	if (h->offline) {
		r = hub_store_find(h, reterr);
		return r < 0 ? err_ctx(reterr, r, "HF_HUB_OFFLINE is set") : r;
	}
	r = ask_hub(h, h->revision, &answer, &err);
	if (r >= 0 && answer.rq.status < 300)
		r = take_answer(h, &answer.rq, reterr);
	else if (r >= 0 && answer.rq.status < 500 && answer.rq.status != 429)
		return hub_refused(h, &answer.rq, NULL, reterr);
	else if (r != -ERR_CANCELLED && hub_store_find(h, NULL) >= 0)
		return 0; /* the hub is not reachable, but the cache knows the repository */
	else if (r >= 0)
		return hub_refused(h, &answer.rq, NULL, reterr);
	else {
		r = hub_unreachable(h, r, &err);
		if (reterr)
			*reterr = err;
	}
	if (r >= 0)
		hub_store_info(h);
	return r;
}

int hub_describe_other(struct hub *h, const char *revision, struct err *reterr)
{
	OWN(http_get_answer_done) struct http_get_answer answer = {0};
	int r;

	if (h->from_cache) {
		str_must_copy(h->revision, sizeof(h->revision), revision);
		return hub_store_find(h, NULL) < 0;
	}
	r = ask_hub(h, revision, &answer, reterr);
	if (r < 0)
		return hub_unreachable(h, r, reterr);
	if (answer.rq.status == 404)
		return 1;
	if (answer.rq.status >= 300)
		return hub_refused(h, &answer.rq, NULL, reterr);
	str_must_copy(h->revision, sizeof(h->revision), revision);
	r = take_answer(h, &answer.rq, reterr);
	if (r >= 0)
		hub_store_info(h);
	return r;
}
