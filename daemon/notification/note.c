/* SPDX-License-Identifier: MIT */
/* Queues COMMAND_NOTIFIED. A command that is queued is answered, also if the daemon stops. */
#include "daemon/notification/note.h"

#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <semaphore.h>

static void on_stored(struct command *c)
{
	sem_post(c->userdata);
}

void note_done(struct manager *mgr, int64_t seq, const char *key)
{
	sem_t stored;
	struct command c = {
		.kind = COMMAND_NOTIFIED, .number = seq, .done = on_stored, .userdata = &stored};
	struct err err = {0};

	str_must_copy(c.id, sizeof(c.id), key);
	sem_init(&stored, 0, 0);
	if (manager_queue(mgr, &c, &err) >= 0) {
		while (sem_wait(&stored) < 0 && errno == EINTR)
			;
		if (c.result < 0)
			log_event(LOG_LEVEL_WARNING, "notification_not_stored", "msg=\"%s\"",
				  c.err.msg);
	}
	sem_destroy(&stored);
}
