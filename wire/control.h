/* SPDX-License-Identifier: MIT */
/*
 * Messages on DIR/control.sock: SOCK_SEQPACKET, one JSON object of at most EXECUTION_CONTROL_MAX
 * bytes each way, one reply per request, in order. The shim replies; the daemon and tools send
 * requests.
 *
 *   {"v":1,"op":"ping"}                 → {"v":1,"ok":true,"pid":123}     pid 0: child ended
 *   {"v":1,"op":"stop","grace_ms":N}    → {"v":1,"ok":true}               N optional
 *   anything else                       → {"v":1,"ok":false,"error":"…"}
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONTROL_GRACE_MAX_MS (INT64_C(24) * 3600 * 1000)

enum control_op {
	CONTROL_PING,
	CONTROL_STOP,
};

struct control_request {
	enum control_op op;
	int64_t grace_ms; /* of a stop; -1: use the value in spec.json */
};

/* Build requests and replies as new references. NULL only if memory is out. */
json_t *control_request_format(const struct control_request *req);
json_t *control_reply_ok(pid_t pid); /* pid < 0: no "pid" */
json_t *control_reply_error(const char *message);

/* Parse one received message. */
int control_request_parse(const char *text, size_t len, struct control_request *ret,
			  struct err *reterr) MUSTCHECK;

/* Open a non-blocking SOCK_SEQPACKET descriptor connected to `control.sock` in `dirfd`. Send one
 * request with send(2), read its reply with recv(2). -ENOENT or -ECONNREFUSED: no shim listens.
 * -EAGAIN: the shim's queue is full, try again. Never blocks. */
int control_connect(int dirfd, int *ret_fd, struct err *reterr) MUSTCHECK;
