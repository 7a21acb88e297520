/* SPDX-License-Identifier: MIT */
/*
 * Endpoints, their leases, and the table of live ones that other threads see. On the manager
 * thread unless said.
 */
#pragma once

#include "daemon/core.h"

/* ---- state.c: inside a transaction ---- */
/* The lease's length, and its idle time, of a deploy's spec. */
int64_t endpoint_ttl_us(const struct manager *mgr, const json_t *spec);
int64_t endpoint_idle_us(const struct manager *mgr, const json_t *spec); /* 0: none */
/* It answers: in service, its deploy job succeeds. `result` may be NULL. */
int endpoint_ready(struct manager *mgr, const char *id, json_t *result,
		   struct err *reterr) MUSTCHECK;
/* Nothing is left of it: deleted or failed; its open deploy and delete-endpoint jobs end. */
int endpoint_gone(struct manager *mgr, const struct endpoint_row *ep, enum endpoint_state to,
		  const struct reason *why, struct err *reterr) MUSTCHECK;
int endpoint_move(struct manager *mgr, const char *id, enum endpoint_state from,
		  enum endpoint_state to, const struct reason *why, struct err *reterr) MUSTCHECK;

/* ---- endpoints.c ---- */
/* Inside a transaction. */
int endpoint_deploy(struct manager *mgr, const struct job_row *job, const json_t *spec,
		    struct execution_row *row, struct err *reterr) MUSTCHECK;
int endpoint_delete(struct manager *mgr, const struct endpoint_row *ep, enum reason_code why,
		    const char *words, struct err *reterr) MUSTCHECK;
/* One of its servers has ended: deleted, restart with back-off, failed, or only an update is over.
 */
int endpoint_server_ended(struct manager *mgr, struct execution *ex, const struct reason *why,
			  struct err *reterr) MUSTCHECK;
/* Start the server of a live endpoint that has none, when there is a place for it. */
int endpoint_restart(struct manager *mgr, const struct endpoint_row *ep,
		     struct err *reterr) MUSTCHECK;

/* ---- endpoint/update.c: on_existing: update. Inside a transaction, unless said. ---- */
/* The live endpoint that a deploy with on_existing: update meets, on either target. No transaction.
 */
bool endpoint_to_update(struct manager *mgr, const struct job_row *job, struct endpoint_row *ret);
/* A deploy that updates waits while an endpoint of its name is on its way out. No transaction. */
bool endpoint_is_settled(struct manager *mgr, const struct job_row *job, struct reason *why);
/* A deploy job meets a live endpoint of its name. 0: it updates it; 1: it cannot, and has failed.
 */
int endpoint_update_begin(struct manager *mgr, const struct job_row *job,
			  const struct endpoint_row *ep, struct err *reterr) MUSTCHECK;
/* The endpoint is in service with what deploy job `id` made: its lease starts anew (a renewed one
 * keeps a later end), the job succeeds. `result` may be NULL. */
int endpoint_updated(struct manager *mgr, const struct endpoint_row *ep, const char *id,
		     const json_t *result, struct err *reterr) MUSTCHECK;
/* End an update's job, unless it has ended; a failure after a cancel is a cancel. */
int endpoint_update_end(struct manager *mgr, const char *job, enum job_state to,
			const struct reason *why, const json_t *outputs,
			struct err *reterr) MUSTCHECK;
/* A server answers: the endpoint comes into service, or gets this server for its old one. */
int endpoint_server_ready(struct manager *mgr, const struct execution *ex,
			  struct err *reterr) MUSTCHECK;
/* The update's server has ended before it served: the endpoint stays what it was. */
int endpoint_update_failed(struct manager *mgr, const struct endpoint_row *ep,
			   const struct execution *ex, const struct reason *why,
			   struct err *reterr) MUSTCHECK;
/* A stop was asked for of a deploy job that has made no endpoint. */
int endpoint_update_cancel(struct manager *mgr, const struct job_row *job,
			   struct err *reterr) MUSTCHECK;
/* At each tick, no transaction: stop servers that are retired, or that an update waits for too
 * long. */
void endpoint_update_look(struct manager *mgr, const struct endpoint_row *ep);

/* ---- live.c ---- */
/* Rebuild the table that api threads see. */
void live_refresh(struct manager *mgr);
void live_refresh_after(struct manager *mgr, void *arg, bool committed);
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
/* Transactions of its own: leases, idling, restarts that are due. */
void endpoints_tick(struct manager *mgr);

/* ---- relay.c: for manager_invoke() of manager.h, which is in invoke.c ---- */
/* An invocation on its way: what is sent and read lies in `inv`. */
struct relay {
	struct invocation *inv;
	struct net_request http; /* to an endpoint of this machine */
	char lines[2][160];	 /* header lines */
	char *sent_lines[MANAGER_INVOKE_SENT];
	struct sagemaker_relay *sagemaker; /* invoke_sagemaker.c */
};
/* The body of the answer and its type. */
void relay_read(struct relay *relay, struct net_request *http);
/* Free it and call the invocation's `done`. */
void relay_done(struct relay *relay);
static inline size_t relay_reply_max(const struct invocation *inv)
{
	return inv->reply_max ? inv->reply_max : MANAGER_INVOKE_REPLY_MAX;
}

/* ---- headers.c ---- */
/* What an invocation says of its body, by default JSON. */
const char *invocation_content_type(const struct invocation *inv);
/* -ERR_INVALID: a header is too long or not printable. */
int invocation_check_headers(const struct invocation *inv, struct err *reterr) MUSTCHECK;
/* The header lines of a request, at most 2 + MANAGER_INVOKE_SENT, that live as long as `relay`. */
size_t relay_headers(struct relay *relay, const char **to);
/* After the answer: the headers that pass back. */
void relay_read_headers(struct relay *relay, const struct net_request *http);
void relay_headers_done(struct relay *relay);

/* ---- invoke_sagemaker.c ---- */
/* To an endpoint on SageMaker, under its name there. */
int relay_sagemaker(struct manager *mgr, const char *resource_name, const char *region,
		    size_t body_max, struct relay *relay, struct err *reterr) MUSTCHECK;
