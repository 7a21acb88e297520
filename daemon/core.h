/* SPDX-License-Identifier: MIT */
/*
 * The engine's inside, shared by the files of daemon/ that run on the engine thread (all functions
 * here, unless said). Rules that hold everywhere:
 *   1. The database is the truth. Rows change inside a turn (turn_begin … turn_end = one
 *      transaction); memory changes, spawns and messages come only from turn_after() actions,
 *      which run after the commit.
 *   2. A job's state moves only in lifecycle.c, an endpoint's only in endpoints.c.
 *   3. An execution is alive exactly as long as its lock is held; only exit.json or a free lock
 *      ends it.
 */
#pragma once

#include "base/clock.h"
#include "base/loop.h"
#include "base/proc.h"
#include "daemon/devices.h"
#include "daemon/engine.h"
#include "daemon/settings.h"
#include "jobs/reason.h"
#include "net/relay.h"
#include "storage/store.h"
#include "wire/event.h"
#include "wire/execution.h"

#include <pthread.h>

#define ENGINE_BATCH_MAX      256	   /* commands in one transaction */
#define ENGINE_RESCAN_US      USEC_PER_SEC /* looks at every live execution at least this often */
#define ENGINE_EVENTS_CHUNK   (256 << 10)  /* bytes of events.ndjson read in one turn */
#define ENGINE_LOG_SAID_US    250000	   /* log growth is told at most this often */
#define ENGINE_PROGRESS_US    USEC_PER_SEC /* progress events per execution, likewise */
#define ENGINE_READY_MAX      64	   /* ready jobs looked at in one scheduling pass */
#define ENDPOINT_RESTARTS_MAX 5		   /* crashes in a row before an endpoint is failed */

/* One live execution in memory; its row is the truth, this adds what is derived or open. */
struct execution {
	struct engine *engine;
	struct execution_row row;
	bool planned; /* its row is not committed yet */
	bool stop_sent;
	bool stop_wanted;
	bool ready;		/* an endpoint has said so */
	int dirfd;		/* -1 before the launch */
	int watch;		/* inotify watch of work/, -1: none */
	int watch_dir;		/* inotify watch of the directory itself */
	sd_event_source *child; /* the shim, when it is our child */
	struct reason failure;	/* the worker's failure line, REASON_NONE without */
	json_t *result;		/* the worker's result values */
	json_t *progress;
	int64_t progress_said_us, log_said_us, log_size;
	int64_t warnings;
	struct execution *next;
};

struct turn_action {
	void (*fn)(struct engine *e, void *arg, bool committed);
	void *arg;
	struct turn_action *next;
};

/* What api and net threads may see of a live endpoint; guarded by engine.live_lock. */
struct live_endpoint {
	char name[SPEC_NAME_MAX + 1];
	char id[ID_LEN];
	enum endpoint_state state;
	int work_dirfd; /* -1: no server now */
	int64_t last_request_us;
	struct live_endpoint *next;
};

/* A message from another thread to the engine. */
struct engine_message {
	void (*fn)(struct engine *e, struct engine_message *m);
	struct engine_message *next;
};

struct engine {
	const struct settings *settings;
	struct store *store;
	struct feed *feed;
	struct relay *relay;
	struct devices *devices;
	sd_event *loop;
	int inotify_fd;
	char boot_id[BOOT_ID_LEN];
	bool ready, stopping;

	/* the command queue; guarded by queue_lock */
	pthread_mutex_t queue_lock;
	struct command *queue_head, **queue_tail;
	struct engine_message *inbox_head, **inbox_tail;
	size_t queue_n;
	int queue_fd; /* eventfd: something is in the queue or the inbox */

	/* the turn */
	int turn_depth;
	bool turn_failed;
	struct err turn_err;
	struct turn_action *actions, **actions_tail;
	bool want_schedule;
	sd_event_source *schedule_source, *tick_source, *rescan_source, *gather_source,
		*inotify_source;
	int64_t ticks;

	struct execution *executions;
	struct predict *predicts;
	pthread_mutex_t live_lock;
	struct live_endpoint *live;
	char *slots;			     /* JSON text, guarded by live_lock */
	int64_t checkpointed_us, trimmed_us; /* monotonic */
};

/* ---- engine.c: turns ---- */
/* A turn is one transaction; nested turns join the outer one. turn_begin fails when the database
 * cannot be written; then do nothing. */
int turn_begin(struct engine *e, struct err *reterr) MUSTCHECK;
/* Mark the turn as failed (a store function failed): turn_end rolls back. Returns r. */
int turn_fail(struct engine *e, int r, const struct err *why);
/* Commit, publish, run the actions. 0, or negative when it was rolled back. */
int turn_end(struct engine *e, struct err *reterr);
void turn_after(struct engine *e, void (*fn)(struct engine *e, void *arg, bool committed),
		void *arg);
void engine_want_schedule(struct engine *e);
/* Any thread. The engine runs m->fn soon; m is the callee's. */
void engine_post(struct engine *e, struct engine_message *m);

/* ---- commands.c ---- */
/* One command inside the open turn and its own savepoint. */
int command_run(struct engine *e, struct command *c, struct err *reterr);

/* ---- lifecycle.c: the movers of jobs; all inside a turn ---- */
int job_move(struct engine *e, const char *id, enum job_state from, enum job_state to,
	     const struct reason *reason, struct err *reterr) MUSTCHECK;
/* The job's attempt is over: state, outputs, automatic retry, dependents. `outputs` may be NULL. */
int job_finish(struct engine *e, const struct job_row *job, enum job_state to,
	       const struct reason *reason, const json_t *outputs, struct err *reterr) MUSTCHECK;
/* Look at everything that needs `id`, which has just become final. */
int job_settle_dependents(struct engine *e, const char *id, struct err *reterr) MUSTCHECK;
/* Queue it, skip it or leave it blocked, by the states of what it needs. */
int job_settle(struct engine *e, const char *id, struct err *reterr) MUSTCHECK;
int job_cancel(struct engine *e, const struct job_row *job, struct err *reterr) MUSTCHECK;
int job_retry(struct engine *e, const struct job_row *job, struct err *reterr) MUSTCHECK;

/* ---- scheduler.c ---- */
/* The job's spec with every reference replaced. -ERR_NOT_FOUND: an output is not there. */
int job_resolve(struct engine *e, const struct job_row *job, json_t **ret,
		struct err *reterr) MUSTCHECK;
void schedule_pass(struct engine *e);
/* Why a queued or blocked job does not run now, in words and as JSON facts (new reference). */
int schedule_explain(struct engine *e, const struct job_row *job, json_t **ret,
		     struct err *reterr) MUSTCHECK;

/* ---- launch.c ---- */
/* Make the directory and spec.json of a new execution of `job` (serve: of its endpoint). The
 * placement (attempt, cpus, devices) is in *row; its id and dir are set here. `resume` is a
 * checkpoint directory or NULL. Writes files only. */
int execution_prepare(struct engine *e, const struct job_row *job, bool serve,
		      struct execution_row *row, const json_t *spec, const char *resume,
		      struct err *reterr) MUSTCHECK;
/* Inside a turn: the row of a prepared execution; after the commit its shim is started. */
int execution_launch(struct engine *e, struct execution_row *row, struct err *reterr) MUSTCHECK;
/* Start the shim of a committed execution, in own turns. */
void execution_start(struct engine *e, struct execution *ex);
/* Inside a turn: its shim runs. */
int execution_mark_running(struct engine *e, struct execution *ex, struct err *reterr) MUSTCHECK;

/* ---- executions.c ---- */
struct execution *execution_add(struct engine *e, const struct execution_row *row, bool planned);
void execution_drop(struct engine *e, struct execution *ex);
struct execution *execution_find(struct engine *e, const char *id);
/* The one an attempt owns; a deploy's belongs to its endpoint. */
struct execution *execution_of_job(struct engine *e, const char *job);
struct execution *execution_of_endpoint(struct engine *e, const char *endpoint);
/* Open the directory and watch it. */
int execution_attach(struct engine *e, struct execution *ex, struct err *reterr) MUSTCHECK;
/* Read new events, look for the end. Own turns. */
void execution_poll(struct engine *e, struct execution *ex);
/* Ask the shim to stop; again at every rescan until it is accepted. */
void execution_stop(struct engine *e, struct execution *ex);
void engine_want_poll(struct engine *e); /* look at all of them soon */
/* Over without exit.json, in an own turn; ex is gone afterwards. */
void execution_lost(struct engine *e, struct execution *ex, enum reason_code why);
int executions_watch(struct engine *e, struct err *reterr) MUSTCHECK; /* inotify + rescan timer */
/* Inside a turn: the execution is over with this record (NULL: lost, see `lost`). */
int execution_end(struct engine *e, struct execution *ex, const struct exit_record *exit,
		  enum reason_code lost, struct err *reterr) MUSTCHECK;

/* ---- events.c ---- */
/* Read events.ndjson from the row's offset: rows inside own turns. 1: more is there, 0: at the end,
 * negative: try again later. */
int events_drain(struct engine *e, struct execution *ex);
/* After a restart: rebuild failure, result, progress and ready from [0, offset). */
void events_replay(struct execution *ex);

/* ---- endpoints.c ---- */
/* Inside a turn. */
int endpoint_deploy(struct engine *e, const struct job_row *job, const json_t *spec,
		    struct execution_row *row, struct err *reterr) MUSTCHECK;
int endpoint_ready(struct engine *e, struct execution *ex, struct err *reterr) MUSTCHECK;
int endpoint_move(struct engine *e, const char *id, enum endpoint_state from,
		  enum endpoint_state to, const struct reason *why, struct err *reterr) MUSTCHECK;
int endpoint_delete(struct engine *e, const struct endpoint_row *ep, enum reason_code why,
		    const char *words, struct err *reterr) MUSTCHECK;
/* Its server has ended: deleted, restart with back-off, or failed. */
int endpoint_server_ended(struct engine *e, struct execution *ex, const struct reason *why,
			  struct err *reterr) MUSTCHECK;
/* Start the server of a live endpoint that has none, when there is a place for it. */
int endpoint_restart(struct engine *e, const struct endpoint_row *ep, struct err *reterr) MUSTCHECK;

/* ---- leases.c ---- */
int endpoint_renew(struct engine *e, const char *name, int64_t ttl_us,
		   struct err *reterr) MUSTCHECK;
/* Own turns: leases, idling, restarts that are due. */
void endpoints_tick(struct engine *e);
/* Rebuild the table that api threads see. */
void live_refresh(struct engine *e);
void live_refresh_after(struct engine *e, void *arg, bool committed);
void live_free(struct engine *e);
bool live_name_taken(struct engine *e, const char *name); /* any thread */

/* ---- invoke.c ---- */
/* Any thread. A new descriptor of the directory of the endpoint's socket; counts as a request.
 * -ERR_NOT_FOUND: no such live endpoint; -ERR_CONFLICT: not in service. */
int live_connect(struct engine *e, const char *name, int *ret_dirfd, struct err *reterr) MUSTCHECK;

/* ---- actions.c: predict and delete-endpoint jobs, which the daemon does itself ---- */
int action_start(struct engine *e, const struct job_row *job, const json_t *spec,
		 struct err *reterr) MUSTCHECK;
/* After a restart of the daemon: go on with a job that was running. */
int action_resume(struct engine *e, const struct job_row *job, struct err *reterr) MUSTCHECK;
/* Cancel a starting, running or stopping job of any kind: at once where the daemon does it itself,
 * by deleting the endpoint for a deploy, else with `stop`. */
int action_or_execution_cancel(struct engine *e, const struct job_row *job,
			       int (*stop)(struct engine *e, const struct job_row *job,
					   struct err *reterr),
			       struct err *reterr) MUSTCHECK;
void predicts_free(struct engine *e);
/* An endpoint is gone: finish the delete-endpoint jobs that wait for it. Inside a turn. */
int actions_endpoint_gone(struct engine *e, const struct endpoint_row *ep,
			  struct err *reterr) MUSTCHECK;

/* ---- snapshot.c ---- */
/* Renew what api threads see of slots and executions. */
void slots_publish(struct engine *e);

/* ---- recover.c ---- */
int engine_recover(struct engine *e, struct err *reterr) MUSTCHECK;
