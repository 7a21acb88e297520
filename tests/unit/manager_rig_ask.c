/* SPDX-License-Identifier: MIT */
/* Endpoints of a manager under test: their deploys, and requests from a thread that is not the
 * manager's. */
#include "tests/unit/manager_rig.h"

#include "base/clock.h"
#include "base/str.h"
#include "tests/unit/wait.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

const char *rig_deploy(struct rig *rig, const char *endpoint, const char *more)
{
	static char texts[8][1024];
	static int next;
	char *text = texts[next++ % 8];

	snprintf(text, sizeof(texts[0]),
		 "{\"name\":\"deploy\",\"kind\":\"deploy\",\"model\":\"%s\",\"endpoint\":\"%s\"%s}",
		 rig->code, endpoint, more);
	return text;
}

static void invocation_done(struct invocation *inv)
{
	sem_post(inv->userdata);
}

int rig_invoke(struct rig *rig, const char *endpoint, const char *body, int *status, char **reply)
{
	struct invocation inv = {
		.body = body,
		.body_len = strlen(body),
		.done = invocation_done,
	};
	sem_t done;
	int r;

	sem_init(&done, 0, 0);
	inv.userdata = &done;
	str_must_copy(inv.endpoint, sizeof(inv.endpoint), endpoint);
	r = manager_invoke(rig->manager, &inv, &inv.err);
	if (r >= 0) {
		sem_wait(&done);
		r = inv.result;
	}
	if (status)
		*status = inv.status;
	if (reply)
		*reply = inv.reply ? strndup(inv.reply, inv.reply_len) : NULL;
	invocation_clear(&inv);
	sem_destroy(&done);
	return r;
}

void rig_wait_answer(struct rig *rig, const char *endpoint)
{
	wait_until(rig_invoke(rig, endpoint, "{\"inputs\":\"x\"}", NULL, NULL) == 0);
}
