/* SPDX-License-Identifier: MIT */
/* Reads the key, and hashes what belongs to it. The server's threads run this. */
#include "api/idempotency.h"

#include "api/reply.h"
#include "base/own.h"
#include "base/str.h"

#include <string.h>

static bool is_key(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (s[i] < '!' || s[i] > '~')
			return false;
	return n > 0 && n <= MANAGER_KEY_MAX;
}

bool idempotency_read(struct request *rq)
{
	const char *key = request_header(rq, "Idempotency-Key");
	OWN(hash_freep) struct hash *h = NULL;

	if (!key || !str_eq(rq->method, "POST"))
		return true;
	if (!is_key(key)) {
		reply_problem(rq, 400, "invalid_header",
			      "Idempotency-Key must have 1 to %d visible ASCII characters, such as "
			      "a UUID",
			      MANAGER_KEY_MAX);
		return false;
	}
	rq->idempotency = calloc(1, sizeof(*rq->idempotency));
	if (!rq->idempotency)
		abort(); /* a few hundred bytes could not be allocated: no recovery is possible */
	str_must_copy(rq->idempotency->key, sizeof(rq->idempotency->key), key);
	h = hash_new();
	hash_update(h, rq->uri, strlen(rq->uri) + 1);
	hash_update(h, rq->body.data, rq->body.len);
	hash_hex(h, rq->idempotency->request);
	return true;
}
