/* SPDX-License-Identifier: MIT */
/*
 * A request, from its first line to the last byte of its reply. Handlers use this and never see the
 * HTTP library. A handler is a step. A step either replies (api/reply.h), or suspends the
 * connection with request_wait(); after the resume the next step runs. The steps of one request run
 * one after the other on a server thread.
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
#define REQUEST_BODY_SMALL_MAX 4096   /* body of an action such as cancel or renew */
#define REQUEST_VALUES_MAX     500000 /* JSON values of a body */
#define REQUEST_CONTAINERS_MAX 100000 /* of these, objects and lists */
/* bytes of a refused body that are read, so that the client receives the reply */
#define REQUEST_DRAIN_MAX      (64 << 20)

struct MHD_Connection;
struct MHD_Response;
struct idempotency;
struct route;

struct param {
	const char *name, *value;
};

struct request {
	struct api *api;
	struct MHD_Connection *connection;
	struct connection *conn; /* its entry among the open connections */
	bool local;		 /* True if received over the unix socket */
	bool head;		 /* True for HEAD; method is then "GET" */
	bool old;		 /* True for HTTP/1.0 */
	bool started;		 /* True if the headers were checked */
	bool abrupt;		 /* True if refused and the end of the body is uncertain */
	const char *method;	 /* borrowed */
	char *uri;		 /* as received; owned */
	char *text;		 /* decoded parts of the URI; owned */
	const char *segments[REQUEST_SEGMENTS_MAX];
	size_t segments_n;
	struct param params[REQUEST_PARAMS_MAX];
	size_t params_n;
	const struct route *route;
	size_t route_n;			    /* its number in the table, from 1; 0: no route */
	const char *args[REQUEST_ARGS_MAX]; /* values of the {…} parts of the route's pattern */
	char *rest;			    /* decoded "{path...}"; owned */
	struct buf body;
	int64_t since_us;		 /* clock_mono_us of the first line */
	uint64_t body_seen;		 /* bytes received, kept or not */
	struct idempotency *idempotency; /* NULL: no key; owned */
	json_t *json;			 /* the parsed body; NULL if there is none */

	void (*step)(struct request *rq);
	bool waiting; /* True if suspended; the next step runs after the resume */
	void *state;  /* private to the handler's steps */
	void (*state_free)(void *state);
	void (*submitted)(struct request *rq); /* of a submit: the step after it */
	int submits;			       /* how often it was sent */
	struct store_reader *reader;

	struct MHD_Response *response;
	unsigned status;
	size_t reply_bytes; /* size of a reply that was built in memory */
};

/* ---- request.c ---- */

/* Split and decode `uri` into segments and parameters. -ERR_INVALID if malformed; -ERR_LIMIT beyond
 * API_URL_MAX; -ERR_UNSUPPORTED if it has more than REQUEST_PARAMS_MAX parameters. */
int request_parse_uri(struct request *rq, const char *uri, struct err *reterr) MUSTCHECK;
/* Free all members, including the response, but not the struct itself. */
void request_done(struct request *rq);
/* The value of a query parameter; NULL if it is absent. Borrowed. */
const char *request_param(const struct request *rq, const char *name);
/* Typed parameters. Return false if the value is invalid and 400 was replied. */
bool request_param_int(struct request *rq, const char *name, int64_t min, int64_t max,
		       int64_t *value);
bool request_param_bool(struct request *rq, const char *name, bool *value);
bool request_param_time(struct request *rq, const char *name, int64_t *value);
/* Parse "a,b" into one bit for each name. `parse` returns 0 and *ret, or a negative value; `what`
 * names the parameter in the error. */
typedef int (*request_parse_fn)(const char *s, int *ret);
bool request_param_set(struct request *rq, const char *name, request_parse_fn parse,
		       const char *const *names, size_t names_n, uint32_t *value);
/* Parse rq->body into rq->json if the route takes JSON, and free the text. Returns false if an
 * error was replied. */
bool request_read_json(struct request *rq);
/* True if each key of the body is in `names`. Returns false if 422 with the nearest name was
 * replied. */
bool request_fields(struct request *rq, const char *const *names, size_t n);
/* True if args[0] has the form of an id of `kind` ('j', 'r'). Returns false if 404 with a hint was
 * replied. */
bool request_id(struct request *rq, char kind);
/* The reader of this step; it is returned to the pool at the step's end. NULL if 503 was
 * replied. */
struct store_reader *request_reader(struct request *rq);
/* The endpoint args[0], a new reference. NULL if an error was replied. */
json_t *request_endpoint(struct request *rq);

/* ---- mhd.c ---- */

const char *request_header(const struct request *rq, const char *name); /* NULL if absent */
/* Call fn for each header until fn returns false. Returns false in that case. */
bool request_headers(const struct request *rq,
		     bool (*fn)(const char *name, const char *value, void *userdata),
		     void *userdata);
/* Suspend the connection. `next` runs after request_resume(), which any thread may call, even
 * before this step has ended. First call this, then pass the request to the thread that resumes
 * it. */
void request_wait(struct request *rq, void (*next)(struct request *rq));
void request_resume(struct request *rq);
/* The same pair for the body of a streamed reply, where no step follows. */
void connection_suspend(struct api *api, struct MHD_Connection *connection);
void connection_resume(struct api *api, struct MHD_Connection *connection);
/* True if the client has closed its end. Peeks at the socket without consuming bytes. */
bool connection_gone(struct MHD_Connection *connection);
