/* SPDX-License-Identifier: MIT */
/*
 * The shims that this daemon started. Each is reaped when it ends, whatever happened to its
 * execution: exit.json often ends an execution before its shim ends. Manager's thread.
 */
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/execution/execution.h"

#include <sys/wait.h>

struct shim_child {
	struct manager *manager;
	sd_event_source *source; /* NULL: the loop cannot watch it; the rescan reaps it */
	pid_t pid;
	char execution[ID_LEN];
	struct shim_child *next;
};

static void child_drop(struct shim_child *child)
{
	struct shim_child **at = &child->manager->shims;

	while (*at && *at != child)
		at = &(*at)->next;
	if (*at)
		*at = child->next;
	loop_drop(&child->source);
	free(child);
}

static int on_exit_of(sd_event_source *s, const siginfo_t *si, void *userdata)
{
	struct shim_child *child = userdata;
	struct manager *mgr = child->manager;
	struct execution *ex = execution_find(mgr, child->execution);

	child_drop(child); /* the loop reaps the shim after this */
	if (!ex)
		return 0;
	ex->unstarted = si->si_code == CLD_EXITED && si->si_status == SHIM_NO_SPACE;
	if (!ex->unstarted)		      /* otherwise the next rescan starts it again */
		execution_look_soon(mgr, ex); /* exit.json and the lock determine the rest */
	return 0;
}

int shim_watch(struct manager *mgr, pid_t pid, const char *execution)
{
	struct shim_child *child = calloc(1, sizeof(*child));

	if (!child)
		return -ENOMEM;
	child->manager = mgr;
	child->pid = pid;
	str_must_copy(child->execution, sizeof(child->execution), execution);
	child->next = mgr->shims;
	mgr->shims = child;
	return sd_event_add_child(mgr->loop, &child->source, pid, WEXITED, on_exit_of, child);
}

bool shim_is_ours(const struct manager *mgr, const char *execution)
{
	const struct shim_child *child = mgr->shims;

	while (child && !str_eq(child->execution, execution))
		child = child->next;
	return child;
}

bool shim_is_child(const struct manager *mgr, pid_t pid)
{
	const struct shim_child *child = mgr->shims;

	while (child && child->pid != pid)
		child = child->next;
	return child;
}

void shims_reap(struct manager *mgr)
{
	struct shim_child *next;

	for (struct shim_child *child = mgr->shims; child; child = next) {
		next = child->next;
		if (!child->source && waitpid(child->pid, NULL, WNOHANG) != 0)
			child_drop(child);
	}
}

void shims_forget(struct manager *mgr)
{
	while (mgr->shims)
		child_drop(mgr->shims);
}
