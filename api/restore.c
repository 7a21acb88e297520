/* SPDX-License-Identifier: MIT */
/* /v1/restore: a restored database, and its confirmation. The server's threads run this. */
#include "api/command.h"
#include "api/handlers.h"
#include "api/reply.h"
#include "base/own.h"

void restore_get(struct request *rq)
{
	command_send(rq, COMMAND_RESTORE, NULL, 0, NULL, command_reply_json);
}

/* Read {"force": true}; without a body it is false. */
static bool read_force(struct request *rq, bool *ret)
{
	static const char *const fields[] = {"force"};
	const json_t *force = json_object_get(rq->json, "force");

	if (!request_fields(rq, fields, ARRAY_LEN(fields)))
		return false;
	*ret = json_is_true(force);
	if (!force || json_is_boolean(force))
		return true;
	reply_problems(rq, 422, "invalid_body",
		       json_pack("[{s:s, s:s, s:s}]", "pointer", "/force", "code", "wrong_type",
				 "detail", "must be true or false"),
		       "/force must be true or false");
	return false;
}

void restore_confirm(struct request *rq)
{
	bool force;

	if (read_force(rq, &force))
		command_send(rq, COMMAND_RESTORE_CONFIRM, NULL, force, NULL, command_reply_json);
}
