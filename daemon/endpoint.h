/* SPDX-License-Identifier: MIT */
/*
 * Local endpoints, their leases, and the table of live ones that other threads see. On the engine
 * thread unless said.
 */
#pragma once

#include "daemon/core.h"

/* ---- endpoints.c ---- */
/* Inside a turn. */
int endpoint_deploy(struct engine *e, const struct job_row *job, const json_t *spec,
		    struct execution_row *row, struct err *reterr) MUSTCHECK;
int endpoint_ready(struct engine *e, struct execution *ex, struct err *reterr) MUSTCHECK;
int endpoint_move(struct engine *e, const char *id, enum endpoint_state from,
		  enum endpoint_state to, const struct reason *why, struct err *reterr) MUSTCHECK;
int endpoint_delete(struct engine *e, const struct endpoint_row *ep, enum reason_code why,
		    const char *words, struct err *reterr) MUSTCHECK;
/* Its server has ended: deleted, restart with back-off, or failed. */
int endpoint_server_ended(struct engine *e, struct execution *ex, const struct reason *why,
			  struct err *reterr) MUSTCHECK;
/* Start the server of a live endpoint that has none, when there is a place for it. */
int endpoint_restart(struct engine *e, const struct endpoint_row *ep, struct err *reterr) MUSTCHECK;

/* ---- leases.c ---- */
int endpoint_renew(struct engine *e, const char *name, int64_t ttl_us,
		   struct err *reterr) MUSTCHECK;
/* Own turns: leases, idling, restarts that are due. */
void endpoints_tick(struct engine *e);
/* Rebuild the table that api threads see. */
void live_refresh(struct engine *e);
void live_refresh_after(struct engine *e, void *arg, bool committed);
void live_free(struct engine *e);
bool live_name_taken(struct engine *e, const char *name); /* any thread */

/* ---- invoke.c ---- */
/* Any thread. A new descriptor of the directory of the endpoint's socket; counts as a request.
 * -ERR_NOT_FOUND: no such live endpoint; -ERR_CONFLICT: not in service. */
int live_connect(struct engine *e, const char *name, int *ret_dirfd, struct err *reterr) MUSTCHECK;
