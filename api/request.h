/* SPDX-License-Identifier: MIT */
/*
 * One request, from its first line to the last byte of its answer. Handlers work on this and never
 * see the HTTP library. A handler is a step: it either replies (api/reply.h), or suspends the
 * connection with request_wait() and is followed by another step once something resumes it. Steps
 * of one request run on one server thread, one after the other.
 */
#pragma once

#include "api/context.h"
#include "base/buf.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_SEGMENTS_MAX   64
#define REQUEST_PARAMS_MAX     16
#define REQUEST_ARGS_MAX       2
#define REQUEST_BODY_SMALL_MAX 4096	  /* body of an action such as cancel or renew */
#define REQUEST_VALUES_MAX     500000	  /* JSON values of a body */
#define REQUEST_CONTAINERS_MAX 100000	  /* of them, objects and lists */
#define REQUEST_DRAIN_MAX      (64 << 20) /* of a refused body, read so that the answer arrives */

struct MHD_Connection;
struct MHD_Response;
struct route;

struct param {
	const char *name, *value;
};

struct request {
	struct api *api;
	struct MHD_Connection *connection;
	struct connection *conn; /* its place among the open ones */
	bool local;		 /* came over the unix socket */
	bool head;		 /* HEAD; method says GET */
	bool old;		 /* HTTP/1.0 */
	bool started;		 /* the headers were looked at */
	bool abrupt;		 /* refused, and where the body ends is in doubt */
	const char *method;	 /* borrowed */
	char *uri;		 /* as sent, owned */
	char *text;		 /* its decoded parts, owned */
	const char *segments[REQUEST_SEGMENTS_MAX];
	size_t segments_n;
	struct param params[REQUEST_PARAMS_MAX];
	size_t params_n;
	const struct route *route;
	const char *args[REQUEST_ARGS_MAX]; /* what stands for {…} in the route's pattern */
	char *rest;			    /* decoded "{path...}", owned */
	struct buf body;
	uint64_t body_seen; /* bytes that came, kept or not */
	json_t *json;	    /* the parsed body, NULL without one */

	void (*step)(struct request *rq);
	bool waiting; /* suspended; the next step runs when resumed */
	void *state;  /* of the handler's steps */
	void (*state_free)(void *state);
	struct store_reader *reader;

	struct MHD_Response *response;
	unsigned status;
	size_t reply_bytes; /* of an answer that was made in memory */
};

/* ---- request.c ---- */

/* Split and decode `uri` into segments and params. -ERR_INVALID; -ERR_LIMIT beyond API_URL_MAX. */
int request_parse_uri(struct request *rq, const char *uri, struct err *reterr) MUSTCHECK;
/* Frees everything but the struct itself; the response too. */
void request_done(struct request *rq);
/* The value of a query parameter, NULL when it was not given. Borrowed. */
const char *request_param(const struct request *rq, const char *name);
/* Typed parameters. On a bad value these reply 400 and return false. */
bool request_param_int(struct request *rq, const char *name, int64_t min, int64_t max,
		       int64_t *value);
bool request_param_bool(struct request *rq, const char *name, bool *value);
bool request_param_time(struct request *rq, const char *name, int64_t *value);
/* "a,b": one bit per name, by `parse` (0 and *ret, or negative); `what` names it for the error. */
typedef int (*request_parse_fn)(const char *s, int *ret);
bool request_param_set(struct request *rq, const char *name, request_parse_fn parse,
		       const char *const *names, size_t names_n, uint32_t *value);
/* Parse rq->body into rq->json when the route wants JSON and free the text. False: replied. */
bool request_read_json(struct request *rq);
/* True if every key of the body is in `names`. False: replied 422 with the nearest name. */
bool request_fields(struct request *rq, const char *const *names, size_t n);
/* True if args[0] has the shape of an id of `kind` ('j', 'r'). False: replied 404 with a hint. */
bool request_id(struct request *rq, char kind);
/* This step's reader. NULL: replied 503. Given back when the step ends. */
struct store_reader *request_reader(struct request *rq);

/* ---- mhd.c ---- */

const char *request_header(const struct request *rq, const char *name); /* NULL: absent */
/* fn for each header, until it returns false; then false. */
bool request_headers(const struct request *rq,
		     bool (*fn)(const char *name, const char *value, void *userdata),
		     void *userdata);
/* Suspend the connection: `next` runs when request_resume() is called, by any thread, also before
 * this step has ended. First wait, then hand the request to whoever resumes it. */
void request_wait(struct request *rq, void (*next)(struct request *rq));
void request_resume(struct request *rq);
/* The same two for the body of a streamed answer, where no step follows. */
void connection_suspend(struct api *api, struct MHD_Connection *connection);
void connection_resume(struct api *api, struct MHD_Connection *connection);
/* True if the client has closed its end. Looks at the socket without reading from it. */
bool connection_gone(struct MHD_Connection *connection);
