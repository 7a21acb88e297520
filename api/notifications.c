/* SPDX-License-Identifier: MIT */
/* POST /v1/notifications/test. */
#include "api/apart.h"
#include "api/handlers.h"
#include "daemon/manager.h"

void notifications_test(struct request *rq)
{
	request_ask_apart(rq, 200, manager_notify_test);
}
