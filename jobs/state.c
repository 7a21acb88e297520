/* SPDX-License-Identifier: MIT */
/* One table for each kind of state: its names, and a bit for each state that may follow. */
#include "jobs/state.h"

#include "base/str.h"

#include <errno.h>

#define BIT(state) (1u << (state))

/* `next`: a bit for each state that may follow. */
static const struct {
	const char *name;
	unsigned next;
} job_states[JOB_STATES_] = {
	[STATE_BLOCKED] = {"blocked",
			   BIT(STATE_QUEUED) | BIT(STATE_SKIPPED) | BIT(STATE_CANCELLED)},
	[STATE_QUEUED] = {"queued",
			  BIT(STATE_STARTING) | BIT(STATE_SKIPPED) | BIT(STATE_CANCELLED)},
	[STATE_STARTING] = {"starting", BIT(STATE_RUNNING) | BIT(STATE_STOPPING) |
						BIT(STATE_QUEUED) | BIT(STATE_FAILED) |
						BIT(STATE_CANCELLED)},
	[STATE_RUNNING] = {"running", BIT(STATE_STOPPING) | BIT(STATE_QUEUED) |
					      BIT(STATE_SUCCEEDED) | BIT(STATE_FAILED) |
					      BIT(STATE_CANCELLED)},
	[STATE_STOPPING] = {"stopping", BIT(STATE_QUEUED) | BIT(STATE_SUCCEEDED) |
						BIT(STATE_FAILED) | BIT(STATE_CANCELLED)},
	[STATE_SUCCEEDED] = {"succeeded", 0},
	[STATE_FAILED] = {"failed", BIT(STATE_QUEUED) | BIT(STATE_BLOCKED)},
	[STATE_CANCELLED] = {"cancelled", BIT(STATE_QUEUED) | BIT(STATE_BLOCKED)},
	[STATE_SKIPPED] = {"skipped", BIT(STATE_QUEUED) | BIT(STATE_BLOCKED)},
};

static const struct {
	const char *name;
	unsigned next;
} endpoint_states[ENDPOINT_STATES_] = {
	[ENDPOINT_CREATING] = {"creating", BIT(ENDPOINT_IN_SERVICE) | BIT(ENDPOINT_DELETING) |
						   BIT(ENDPOINT_FAILED)},
	[ENDPOINT_IN_SERVICE] = {"in_service", BIT(ENDPOINT_CREATING) | BIT(ENDPOINT_UPDATING) |
						       BIT(ENDPOINT_DELETING) |
						       BIT(ENDPOINT_FAILED)},
	[ENDPOINT_UPDATING] = {"updating", BIT(ENDPOINT_CREATING) | BIT(ENDPOINT_IN_SERVICE) |
						   BIT(ENDPOINT_DELETING) | BIT(ENDPOINT_FAILED)},
	[ENDPOINT_DELETING] = {"deleting", BIT(ENDPOINT_DELETED) | BIT(ENDPOINT_FAILED)},
	[ENDPOINT_DELETED] = {"deleted", 0},
	[ENDPOINT_FAILED] = {"failed", BIT(ENDPOINT_DELETING)},
};

static const char *const run_states[RUN_STATES_] = {
	[RUN_QUEUED] = "queued", [RUN_RUNNING] = "running",	[RUN_SUCCEEDED] = "succeeded",
	[RUN_FAILED] = "failed", [RUN_CANCELLED] = "cancelled",
};

static const char *const attempt_states[ATTEMPT_STATES_] = {
	[ATTEMPT_STARTING] = "starting",   [ATTEMPT_RUNNING] = "running",
	[ATTEMPT_SUCCEEDED] = "succeeded", [ATTEMPT_FAILED] = "failed",
	[ATTEMPT_CANCELLED] = "cancelled",
};

static const char *const execution_states[EXECUTION_STATES_] = {
	[EXECUTION_STARTING] = "starting",
	[EXECUTION_RUNNING] = "running",
	[EXECUTION_ENDED] = "ended",
};

const char *job_state_str(enum job_state s)
{
	return job_states[s].name;
}

int job_state_parse(const char *s, enum job_state *ret)
{
	for (int i = 0; i < JOB_STATES_; i++) {
		if (!str_eq(s, job_states[i].name))
			continue;
		*ret = (enum job_state)i;
		return 0;
	}
	return -EINVAL;
}

bool job_state_may(enum job_state from, enum job_state to)
{
	return job_states[from].next & BIT(to);
}

bool job_state_is_final(enum job_state s)
{
	return s == STATE_SUCCEEDED || s == STATE_FAILED || s == STATE_CANCELLED ||
	       s == STATE_SKIPPED;
}

bool job_state_is_active(enum job_state s)
{
	return s == STATE_STARTING || s == STATE_RUNNING || s == STATE_STOPPING;
}

/* Index of `s` in a table of names, or -EINVAL. */
static int name_find(const char *s, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (str_eq(s, names[i]))
			return i;
	return -EINVAL;
}

const char *run_state_str(enum run_state s)
{
	return run_states[s];
}

int run_state_parse(const char *s, enum run_state *ret)
{
	int i = name_find(s, run_states, RUN_STATES_);

	if (i < 0)
		return i;
	*ret = (enum run_state)i;
	return 0;
}

bool run_state_is_final(enum run_state s)
{
	return s == RUN_SUCCEEDED || s == RUN_FAILED || s == RUN_CANCELLED;
}

enum run_state run_state_derive(const size_t counts[JOB_STATES_])
{
	size_t active = 0, final = 0, waiting = 0;

	for (int i = 0; i < JOB_STATES_; i++) {
		if (job_state_is_active((enum job_state)i))
			active += counts[i];
		else if (job_state_is_final((enum job_state)i))
			final += counts[i];
		else
			waiting += counts[i];
	}
	if (active || (waiting && final))
		return RUN_RUNNING;
	if (waiting)
		return RUN_QUEUED;
	if (counts[STATE_FAILED])
		return RUN_FAILED;
	if (counts[STATE_CANCELLED])
		return RUN_CANCELLED;
	return RUN_SUCCEEDED;
}

const char *attempt_state_str(enum attempt_state s)
{
	return attempt_states[s];
}

const char *execution_state_str(enum execution_state s)
{
	return execution_states[s];
}

int execution_state_parse(const char *s, enum execution_state *ret)
{
	int i = name_find(s, execution_states, EXECUTION_STATES_);

	if (i < 0)
		return i;
	*ret = (enum execution_state)i;
	return 0;
}

const char *endpoint_state_str(enum endpoint_state s)
{
	return endpoint_states[s].name;
}

int endpoint_state_parse(const char *s, enum endpoint_state *ret)
{
	for (int i = 0; i < ENDPOINT_STATES_; i++) {
		if (!str_eq(s, endpoint_states[i].name))
			continue;
		*ret = (enum endpoint_state)i;
		return 0;
	}
	return -EINVAL;
}

bool endpoint_state_may(enum endpoint_state from, enum endpoint_state to)
{
	return endpoint_states[from].next & BIT(to);
}

bool endpoint_state_is_live(enum endpoint_state s)
{
	return s != ENDPOINT_DELETED && s != ENDPOINT_FAILED;
}
