/* SPDX-License-Identifier: MIT */
/* GET /v1/doctor. */
#include "api/apart.h"
#include "api/handlers.h"
#include "daemon/manager.h"

void doctor(struct request *rq)
{
	request_ask_apart(rq, 200, manager_doctor);
}
