/* SPDX-License-Identifier: MIT */
/* The header Idempotency-Key of a POST: a client that lost the answer sends the same request again,
 * and what it asks for happens once. */
#pragma once

#include "api/request.h"
#include "base/hash.h"
#include "daemon/manager.h"

struct idempotency {
	char key[MANAGER_KEY_MAX + 1];
	char request[HASH_HEX_LEN]; /* SHA-256 of the request's path and body */
};

/* Read the header into rq->idempotency, before the body is parsed. Returns false if the key is
 * invalid and 400 was replied. */
bool idempotency_read(struct request *rq);
