/* SPDX-License-Identifier: MIT */
/* Which receivers are given, a delivery to one of them, and a test of all. */
#include "daemon/notification/receivers.h"

#include "base/own.h"
#include "daemon/core.h"
#include "daemon/notification/deliver.h"
#include "daemon/notification/message.h"

const char *receiver_name(enum receiver receiver)
{
	return receiver == RECEIVER_COMMAND ? "notify.command" : "notify.url";
}

bool receiver_is_given(const struct notify_settings *set, enum receiver receiver)
{
	const char *where = receiver == RECEIVER_COMMAND ? set->command : set->url;

	return where && where[0];
}

bool receiver_any(const struct notify_settings *set)
{
	return receiver_is_given(set, RECEIVER_COMMAND) || receiver_is_given(set, RECEIVER_URL);
}

int receiver_send(const struct notify_settings *set, struct net *net, enum receiver receiver,
		  const json_t *message, const atomic_bool *stop, struct err *reterr)
{
	return receiver == RECEIVER_COMMAND ? deliver_to_command(set, message, stop, reterr)
					    : deliver_to_url(set, net, message, reterr);
}

/* {"receiver", "delivered" [, "message"]} */
static json_t *test_one(struct manager *mgr, enum receiver receiver, const json_t *message)
{
	static const atomic_bool never_stops;
	struct err err = {0};
	int r = receiver_send(&mgr->settings->notify, mgr->net, receiver, message, &never_stops,
			      &err);
	json_t *found =
		json_pack("{ss sb}", "receiver", receiver_name(receiver), "delivered", r >= 0);

	if (r < 0)
		json_object_set_new(found, "message", json_string(err.msg));
	return found;
}

static int test_all(struct manager *mgr, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp)
	json_t *message = message_make(NOTIFY_TEST, "test", clock_now_us(), false,
				       "Trainyard: a test", "Notifications arrive here.");
	json_t *all = json_array();

	for (int i = 0; message && i < RECEIVERS_; i++)
		if (receiver_is_given(&mgr->settings->notify, (enum receiver)i))
			json_array_append_new(all, test_one(mgr, (enum receiver)i, message));
	*ret = json_pack("{so}", "receivers", all);
	return *ret ? 0 : err_errno(reterr, ENOMEM, "send a test message");
}

int manager_notify_test(struct manager *mgr, json_t **ret, struct err *reterr)
{
	static atomic_flag busy = ATOMIC_FLAG_INIT;
	int r;

	if (!receiver_any(&mgr->settings->notify))
		return err_set(reterr, ERR_CONFLICT,
			       "neither notify.command nor notify.url is set in the configuration");
	if (atomic_flag_test_and_set(&busy))
		return err_set(reterr, ERR_LIMIT, "another test is running; try again later");
	r = test_all(mgr, ret, reterr);
	atomic_flag_clear(&busy);
	return r;
}
