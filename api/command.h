/* SPDX-License-Identifier: MIT */
/* One command to the manager on behalf of a request: the connection waits until the commit. */
#pragma once

#include "api/request.h"
#include "daemon/manager.h"

/* Queue a command; `then` runs after its commit, or at once when it cannot be queued, and starts
 * with command_result(). Takes over `run` (may be NULL). */
void command_send(struct request *rq, enum command_kind kind, const char *id, int64_t number,
		  struct run_spec *run, void (*then)(struct request *rq));
/* The same for a command that takes `json`, which is taken over. */
void command_send_json(struct request *rq, enum command_kind kind, const char *id, json_t *json,
		       void (*then)(struct request *rq));
/* The finished command; NULL: it failed and that was replied. */
struct command *command_result(struct request *rq);
/* For `then`: the result of the command is its `json`. */
void command_reply_json(struct request *rq);
/* The body {"priority": N}; false: it is something else and that was replied. */
bool command_priority(struct request *rq, int64_t *ret);
