/* SPDX-License-Identifier: MIT */
/*
 * notify test: whether messages of the daemon arrive.
 */
#include "base/own.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/show.h"

int cmd_notify(struct cli *c)
{
	OWN(json_decrefp) json_t *answer = NULL;
	struct request_path p;
	const json_t *receiver;
	bool all = true;
	struct err e;
	size_t i;

	if (!str_eq(c->args[0], "test")) {
		fprintf(stderr, "trainyard: '%s' is unknown; use 'trainyard notify test'\n",
			c->args[0]);
		return CLI_USAGE;
	}
	request_path(&p, "/v1/notifications/test");
	if (client_request(c, "POST", &p, NULL, &answer, &e) < 0)
		return cli_fail(c, &e);
	if (c->json)
		show_json(answer);
	json_array_foreach(json_object_get(answer, "receivers"), i, receiver) {
		bool delivered = json_get_bool(receiver, "delivered", false);

		all &= delivered;
		if (!c->json)
			printf("%s: %s\n", json_get_str(receiver, "receiver", "?"),
			       delivered ? "the test message was delivered"
					 : json_get_str(receiver, "message", "failed"));
	}
	return all ? CLI_OK : CLI_FAILED;
}
