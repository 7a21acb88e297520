/* SPDX-License-Identifier: MIT */
/* The receivers of the section [notify]: a program and an address. Any thread but the manager's and
 * the net thread. */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "daemon/settings.h"
#include "net/net.h"

#include <stdatomic.h>
#include <stdbool.h>

enum receiver {
	RECEIVER_COMMAND,
	RECEIVER_URL,
	RECEIVERS_
};

const char *receiver_name(enum receiver receiver); /* its key: "notify.command" */
bool receiver_is_given(const struct notify_settings *set, enum receiver receiver);
bool receiver_any(const struct notify_settings *set); /* True if one is given */
/* Deliver the message to this receiver: see deliver.h for the errors and for *stop. */
int receiver_send(const struct notify_settings *set, struct net *net, enum receiver receiver,
		  const json_t *message, const atomic_bool *stop, struct err *reterr) MUSTCHECK;
