/* SPDX-License-Identifier: MIT */
/*
 * Endpoints, their leases, and the table of live endpoints that other threads read. Manager's
 * thread, unless stated otherwise.
 */
#pragma once

#include "daemon/core.h"

/* ---- state.c: inside a transaction ---- */
/* The lease's length and its idle time from a deploy's spec. */
int64_t endpoint_ttl_us(const struct manager *mgr, const json_t *spec);
int64_t endpoint_idle_us(const struct manager *mgr, const json_t *spec); /* 0: no idle limit */
/* In a transaction: the endpoint answers, so it comes into service and its deploy job succeeds.
 * `result` may be NULL. */
int endpoint_ready(struct manager *mgr, const char *id, json_t *result,
		   struct err *reterr) MUSTCHECK;
/* In a transaction: nothing is left of the endpoint. Its state becomes deleted or failed; its open
 * deploy and delete-endpoint jobs end. */
int endpoint_gone(struct manager *mgr, const struct endpoint_row *ep, enum endpoint_state to,
		  const struct reason *reason, struct err *reterr) MUSTCHECK;
int endpoint_move(struct manager *mgr, const char *id, enum endpoint_state from,
		  enum endpoint_state to, const struct reason *reason,
		  struct err *reterr) MUSTCHECK;

/* ---- endpoints.c ---- */
/* In a transaction: deploy an endpoint for `job`. */
int endpoint_deploy(struct manager *mgr, const struct job_row *job, const json_t *spec,
		    struct execution_row *row, struct err *reterr) MUSTCHECK;
int endpoint_delete(struct manager *mgr, const struct endpoint_row *ep, enum reason_code reason,
		    const char *words, struct err *reterr) MUSTCHECK;
/* In a transaction: a server of the endpoint has ended. The endpoint becomes deleted, restarts with
 * a back-off, fails, or only an update ends. */
int endpoint_server_ended(struct manager *mgr, struct execution *ex, const struct reason *reason,
			  struct err *reterr) MUSTCHECK;
/* Start the server of a live endpoint without one, if a slot is free. */
int endpoint_restart(struct manager *mgr, const struct endpoint_row *ep,
		     struct err *reterr) MUSTCHECK;

/* ---- endpoint/update.c: on_existing: update. In a transaction, unless stated otherwise. ---- */
/* Find the live endpoint that a deploy with on_existing: update would change, on either target. No
 * transaction. */
bool endpoint_to_update(struct manager *mgr, const struct job_row *job, struct endpoint_row *ret);
/* False if the deploy must wait, because an endpoint of its name is being deleted. No
 * transaction. */
bool endpoint_is_settled(struct manager *mgr, const struct job_row *job, struct reason *reason);
/* Begin the update of a live endpoint of the job's name. Returns 0 if the update has begun, 1 if it
 * is impossible and the job has failed. */
int endpoint_update_begin(struct manager *mgr, const struct job_row *job,
			  const struct endpoint_row *ep, struct err *reterr) MUSTCHECK;
/* The endpoint serves the result of deploy job `id`: a new lease begins (a renewed lease keeps a
 * later end) and the job succeeds. `result` may be NULL. */
int endpoint_updated(struct manager *mgr, const struct endpoint_row *ep, const char *id,
		     const json_t *result, struct err *reterr) MUSTCHECK;
/* End the job of an update unless it has ended. A failure after a cancel request counts as a
 * cancel. */
int endpoint_update_end(struct manager *mgr, const char *job, enum job_state to,
			const struct reason *reason, const json_t *outputs,
			struct err *reterr) MUSTCHECK;
/* A server answers: the endpoint comes into service, or this server replaces the old one. */
int endpoint_server_ready(struct manager *mgr, const struct execution *ex,
			  struct err *reterr) MUSTCHECK;
/* The update's server ended before it served: the endpoint stays unchanged. */
int endpoint_update_failed(struct manager *mgr, const struct endpoint_row *ep,
			   const struct execution *ex, const struct reason *reason,
			   struct err *reterr) MUSTCHECK;
/* Cancel a deploy job that updates an endpoint. */
int endpoint_update_cancel(struct manager *mgr, const struct job_row *job,
			   struct err *reterr) MUSTCHECK;
/* At each tick, without a transaction: stop retired servers, and servers whose update takes too
 * long. */
void endpoint_update_look(struct manager *mgr, const struct endpoint_row *ep);

/* ---- live.c ---- */
/* Rebuild the table that API threads read. */
void live_refresh(struct manager *mgr);
/* In a transaction: rebuild the table once after the commit, before events are published. */
void live_changed(struct manager *mgr);
void live_free(struct manager *mgr);
bool live_name_taken(struct manager *mgr, const char *name,
		     enum job_target *ret_target);		/* any thread */
int64_t live_last_request(struct manager *mgr, const char *id); /* wall clock; 0: none */
/* The largest request that the live endpoint takes, SPEC_PREDICT_BODY_MAX if there is none. Any
 * thread. */
size_t live_body_max(struct manager *mgr, const char *name);

/* ---- leases.c ---- */
int endpoint_renew(struct manager *mgr, const char *name, int64_t ttl_us,
		   struct err *reterr) MUSTCHECK;
/* In separate transactions: end leases, detect idle endpoints, start restarts that are due. */
void endpoints_tick(struct manager *mgr);

/* ---- relay.c: for manager_invoke() of manager.h, which is in invoke.c ---- */
/* A running invocation; `inv` holds the request and the response. */
struct relay {
	struct manager *manager;
	struct invocation *inv;
	enum job_target target;
	int64_t since_us;		     /* clock_mono_us of the start */
	struct net_request http;	     /* to a local endpoint */
	char lines[2][INVOKE_TYPE_MAX + 16]; /* header lines */
	char *sent_lines[MANAGER_INVOKE_SENT];
	struct sagemaker_relay *sagemaker; /* invoke_sagemaker.c */
};
/* Copy the response's body and its type. */
void relay_read(struct relay *relay, struct net_request *http);
/* Free the relay and call the invocation's `done`. */
void relay_done(struct relay *relay);
static inline size_t relay_reply_max(const struct invocation *inv)
{
	return inv->reply_max ? inv->reply_max : MANAGER_INVOKE_REPLY_MAX;
}

/* ---- headers.c ---- */
/* The content type of the request; the default is JSON. */
const char *invocation_content_type(const struct invocation *inv);
/* -ERR_INVALID if a header is too long or not printable. */
int invocation_check_headers(const struct invocation *inv, struct err *reterr) MUSTCHECK;
/* Build the header lines of a request, at most 2 + MANAGER_INVOKE_SENT. They live as long as
 * `relay`. */
size_t relay_headers(struct relay *relay, const char **to);
/* After the response: copy the headers that pass back. */
void relay_read_headers(struct relay *relay, const struct net_request *http);
void relay_headers_done(struct relay *relay);

/* ---- invoke_sagemaker.c ---- */
/* Send the request to an endpoint on SageMaker, with its name there. */
int relay_sagemaker(struct manager *mgr, const char *resource_name, const char *region,
		    size_t body_max, struct relay *relay, struct err *reterr) MUSTCHECK;
