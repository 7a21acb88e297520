/* SPDX-License-Identifier: MIT */
/*
 * Requests to the daemon, and the meaning of its answers. Every function blocks. A refusal
 * (application/problem+json) becomes an error: its message is the problem's own sentence, with a
 * line for each of several "errors".
 */
#pragma once

#include "base/id.h"
#include "cli/cli.h"

/* A request path, built in pieces: request_path(&p, "/v1/jobs/%s/logs", id), then parameters. The
 * formatted arguments must be safe in a path, as ids are; names need request_path_segment(). */
struct request_path {
	char text[CLI_PATH_MAX];
	size_t len;
	bool has_query;
	bool too_long; /* True if the path is too long: the request then fails with an error */
};

void request_path(struct request_path *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void request_path_segment(struct request_path *p, const char *name); /* appends "/NAME", escaped */
/* Append "?key=value" or "&key=value", escaped. If value is NULL, appends nothing. */
void request_path_param(struct request_path *p, const char *key, const char *value);

/* Send one request and wait. `body` may be NULL. *ret (may be NULL) is a new reference; JSON null
 * if the answer has no body. 0; -ERR_UNAVAILABLE and -ETIMEDOUT: the daemon cannot be reached;
 * otherwise -ERR_INVALID, -ERR_NOT_FOUND, -ERR_CONFLICT … by the status. */
int client_request(struct cli *c, const char *method, const struct request_path *p,
		   const json_t *body, json_t **ret, struct err *reterr) MUSTCHECK;
/* GET what a command shows. Returns 1 if *ret is to be printed as text, 0 if --json has printed it,
 * else as client_request(). */
int client_show(struct cli *c, const struct request_path *p, json_t **ret,
		struct err *reterr) MUSTCHECK;
/* Send a GET and stream its answer to on_data. A refusal (problem+json) becomes the error. */
int client_stream(struct cli *c, const struct request_path *p,
		  bool (*on_data)(void *userdata, const char *data, size_t len), void *userdata,
		  struct err *reterr) MUSTCHECK;
/* True if the request did not reach the daemon and may be tried again. */
bool client_may_retry(int r);

/* Find the id of the user's word: "j…", "r…", or RUN/NAME for a job by its name. If ret_is_run is
 * NULL, a run is refused. */
int client_resolve(struct cli *c, const char *typed, char id[ID_LEN], bool *ret_is_run,
		   struct err *reterr) MUSTCHECK;
