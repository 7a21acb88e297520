/* SPDX-License-Identifier: MIT */
/* Stops an execution by a request to its shim, at once or after the commit. Manager's thread. */
#include "base/own.h"
#include "daemon/execution/execution.h"
#include "daemon/execution/remains.h"

#include <string.h>

struct remains_of execution_remains(const struct execution *ex)
{
	return (struct remains_of){
		.id = ex->row.id,
		.dirfd = ex->dirfd,
		.lock_fd = ex->lock_fd,
		.adopts = ex->adopts,
		.shim = (pid_t)ex->row.pid,
		.dir = ex->row.dir,
	};
}

void execution_stop(struct manager *mgr, struct execution *ex)
{
	struct remains_of of = execution_remains(ex);

	ex->stop_wanted = true;
	if (!ex->planned && ex->dirfd >= 0)
		ex->stop_sent = remains_stop_shim(&of);
}

static void stop_after(struct manager *mgr, void *arg, bool committed)
{
	struct execution *ex = committed ? execution_find(mgr, arg) : NULL;

	if (ex)
		execution_stop(mgr, ex);
	free(arg);
}

int execution_stop_later(struct manager *mgr, const struct execution *ex, struct err *reterr)
{
	char *id = strdup(ex->row.id);

	if (!id)
		return err_errno(reterr, ENOMEM, "stop an execution");
	txn_on_commit(mgr, stop_after, id);
	return 0;
}
