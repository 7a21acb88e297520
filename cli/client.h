/* SPDX-License-Identifier: MIT */
/*
 * Requests to the daemon and what its answers mean. Every function blocks. A refusal
 * (application/problem+json) becomes an error whose message is the problem's own sentence, with
 * one line for each of its "errors".
 */
#pragma once

#include "base/id.h"
#include "cli/cli.h"

/* A request path, built piece by piece: request_path(&p, "/v1/jobs/%s/logs", id), then parameters.
 * Everything after the format must be safe in a path (ids are); use request_path_segment for names.
 */
struct request_path {
	char text[CLI_PATH_MAX];
	size_t len;
	bool has_query;
	bool too_long; /* then the request fails with a clear error */
};

void request_path(struct request_path *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void request_path_segment(struct request_path *p, const char *name); /* appends "/NAME", escaped */
/* "?key=value" or "&key=value", escaped; nothing when value is NULL. */
void request_path_param(struct request_path *p, const char *key, const char *value);

/* One exchange; `body` may be NULL. *ret (may be NULL) is a new reference, JSON null when the
 * answer has no body. 0; -ERR_UNAVAILABLE and -ETIMEDOUT when the daemon cannot be reached;
 * otherwise -ERR_INVALID, -ERR_NOT_FOUND, -ERR_CONFLICT … as its status says. */
int client_request(struct cli *c, const char *method, const struct request_path *p,
		   const json_t *body, json_t **ret, struct err *reterr) MUSTCHECK;
/* GET whose answer is streamed. A refusal (problem+json) becomes the error. */
int client_stream(struct cli *c, const struct request_path *p,
		  bool (*on_data)(void *userdata, const char *data, size_t len), void *userdata,
		  struct err *reterr) MUSTCHECK;
/* True if the request did not reach the daemon and may be tried again. */
bool client_may_retry(int r);

/* What a person typed: "j…", "r…", or RUN/NAME for a job by its name. *ret_is_run may be NULL: then
 * a run is refused. id gets the id. */
int client_resolve(struct cli *c, const char *typed, char id[ID_LEN], bool *ret_is_run,
		   struct err *reterr) MUSTCHECK;
