/* SPDX-License-Identifier: MIT */
/* Sends a command to the manager for a request; the connection is suspended until the commit.
 * Handlers call this. */
#pragma once

#include "api/request.h"
#include "daemon/manager.h"

/* Queue a command. `then` runs after the commit, or at once if the command cannot be queued, and
 * must first call command_result(). Takes over `run` (may be NULL). */
void command_send(struct request *rq, enum command_kind kind, const char *id, int64_t number,
		  struct run_spec *run, void (*then)(struct request *rq));
/* As command_send(), for a command with `json`, which is taken over. */
void command_send_json(struct request *rq, enum command_kind kind, const char *id, json_t *json,
		       void (*then)(struct request *rq));
/* The finished command; NULL if the command failed and the error was replied. */
struct command *command_result(struct request *rq);
/* A `then` that replies the command's `json`. */
void command_reply_json(struct request *rq);
/* Read the body {"priority": N}. Returns false if the body is invalid and the error was replied. */
bool command_priority(struct request *rq, int64_t *ret);
