/* SPDX-License-Identifier: MIT */
/*
 * The manager's inside, shared by the files of daemon/ that run on the manager thread (all
 * functions here, unless said). Rules that hold everywhere:
 *   1. The database is the truth. Rows change inside a transaction (txn_begin … txn_end = one
 *      transaction); memory changes, spawns and messages come only from txn_on_commit() actions,
 *      which run after the commit.
 *   2. A job's state moves only in schedule/job_state.c, an endpoint's only in endpoint/state.c.
 *   3. An execution is alive exactly as long as its lock is held; only exit.json or a free lock
 *      ends it.
 */
#pragma once

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/loop.h"
#include "base/proc.h"
#include "daemon/devices.h"
#include "daemon/manager.h"
#include "daemon/settings.h"
#include "jobs/reason.h"
#include "jobs/sagemaker/resource.h"
#include "net/net.h"
#include "storage/store.h"
#include "wire/event.h"
#include "wire/execution.h"

#include <pthread.h>

#define MANAGER_BATCH_MAX      256	    /* commands in one transaction */
#define MANAGER_RESCAN_US      USEC_PER_SEC /* looks at every live execution at least this often */
#define MANAGER_EVENTS_CHUNK   (128 << 10)  /* bytes of events.ndjson read in one transaction */
#define MANAGER_EVENTS_MAX     EVENT_FILE_MAX
#define MANAGER_EVENTS_TAIL    (256 << 10)	   /* and its last ones, whatever was before */
#define MANAGER_LOG_SAID_US    250000		   /* log growth is told at most this often */
#define MANAGER_PROGRESS_US    USEC_PER_SEC	   /* progress events per execution, likewise */
#define MANAGER_REMAINS_US     (60 * USEC_PER_SEC) /* for what SIGKILL does not end: a hung disk */
#define MANAGER_SHIM_US	       (10 * USEC_PER_SEC) /* a stopped shim gets the grace and this */
#define MANAGER_READY_MAX      64		   /* ready jobs read at a time */
#define MANAGER_LINE_MAX       1024		   /* and looked at in one pass, of one line */
#define MANAGER_BEAT_MAX_US    (5 * USEC_PER_SEC)  /* without a tick for longer it is not ready */
#define MANAGER_ENDED_CHILDREN 64 /* that nobody has waited for yet, remembered at a time */
#define ENDPOINT_RESTARTS_MAX  5  /* crashes in a row before an endpoint is failed */

/* A child of the daemon that has ended, and that is not the manager's to wait for at once. */
struct ended_child {
	pid_t pid; /* 0: none */
	int64_t start;
	int64_t seen_us; /* first, on clock_mono_us */
};

/* One live execution in memory; its row is the truth, this adds what is derived or open. */
struct execution {
	struct manager *manager;
	struct execution_row row;
	bool planned;	/* its row is not committed yet, or it starts in this round of the loop */
	bool look_soon; /* executions.c */
	bool unstarted; /* there was no room for its shim: nothing ran, it is started again */
	bool stop_sent;
	bool stop_wanted;
	bool adopts;	     /* this daemon has started its shim: its orphans come to us */
	bool may_live;	     /* its shim is gone, and the end of all its processes is not proven */
	int64_t lost_us;     /* its shim was first seen to be gone; 0: it lives */
	int64_t late_us;     /* its shim should have ended it, and was first seen stopped; 0: not */
	bool events_refused; /* its events cannot be read, and that was said */
	bool events_cut;     /* likewise: they are too many */
	int64_t events_end;  /* what it has written when its end was seen; 0 before */
	bool retired_seen;   /* at a tick before; at the next one it is told to stop */
	int dirfd;	     /* -1 before the launch */
	int lock_fd;	     /* its lock, whatever has taken the name since; -1: not opened */
	char proof[HASH_HEX_LEN]; /* the value for its shim; "" once that has it */
	bool forgery_logged;	  /* a record in its directory is not the shim's */
	int watch;		  /* inotify watch of work/, -1: none */
	int watch_dir;		  /* inotify watch of the directory itself */
	struct reason failure;	  /* the worker's failure line, REASON_NONE without */
	json_t *result;		  /* the worker's result values */
	json_t *progress;
	int64_t since_mono_us; /* when it was started, by clock_mono_us() */
	int64_t progress_said_us, log_said_us, log_size;
	int64_t lines_skipped; /* of its events: they are none */
	int64_t replayed;      /* events.ndjson: read again up to here after a restart */
	sd_event_source
		*more; /* armed: the next chunk of its events comes in a transaction of its own */
	struct execution *next;
};

struct txn_action {
	void (*fn)(struct manager *mgr, void *arg, bool committed);
	void *arg;
	struct txn_action *next;
};

/* What api and net threads may see of a live endpoint; guarded by manager.live_lock. */
struct live_endpoint {
	char name[SPEC_NAME_MAX + 1];
	char id[ID_LEN];
	enum job_target target;
	enum endpoint_state state;
	int work_dirfd;				   /* -1: no server here now */
	char resource_name[RESOURCE_NAME_MAX + 1]; /* of a SageMaker endpoint that is in service */
	char region[32];
	size_t body_max; /* bytes of a request that it takes */
	int64_t last_request_us;
	struct live_endpoint *next;
};

/* A message from another thread to the manager. */
struct manager_message {
	void (*fn)(struct manager *mgr, struct manager_message *m);
	struct manager_message *next;
};

struct aws;
struct account;
struct sagemaker;
struct database_check;
struct pruner;

struct manager {
	const struct settings *settings;
	struct store *store;
	struct feed *feed;
	struct net *net;
	struct aws *aws; /* NULL: aws_why says why there is none */
	struct reason aws_why;
	struct sagemaker *sagemaker; /* the SageMaker target's controller */
	struct account *account;     /* answers questions about the AWS account */
	struct devices *devices;
	struct database_check *database_check; /* NULL: not begun, or it could not */
	sd_event *loop;
	int inotify_fd;
	struct spare_descriptors spare; /* for the start of executions */
	char boot_id[BOOT_ID_LEN];
	bool ready, stopping;
	bool ends_only; /* manager_new_ending() */
	bool adopts;	/* orphans of what it starts become its children */

	/* the command queue; guarded by queue_lock */
	pthread_mutex_t queue_lock;
	struct command *queue_head, **queue_tail;
	struct manager_message *inbox_head, **inbox_tail;
	size_t queue_n;
	int queue_fd; /* eventfd: something is in the queue or the inbox */

	/* the transaction */
	int txn_depth;
	bool txn_failed;
	struct err txn_err;
	uint64_t txns_failed; /* so far: nothing was written */
	struct txn_action *actions, **actions_tail;
	bool misplaced; /* the data directory is not where it was: said */
	bool want_schedule;
	bool time_helps; /* a job waits for what is not ours: a GPU's other user, AWS, money */
	int64_t due_us;	 /* wall clock: a retry's back-off is over */
	int64_t clock_offset_us; /* of the wall clock against clock_mono_us(), at the last tick */
	sd_event_source *schedule_source, *tick_source, *rescan_source, *gather_source,
		*look_source, *inotify_source;
	int64_t ticks;
	_Atomic int64_t
		beat_us; /* the manager thread's last tick, on clock_mono_us; any thread reads it */

	struct execution *executions;
	struct shim_child *shims;				   /* shims.c */
	struct stray *strays;					   /* strays.c */
	struct ended_child ended_children[MANAGER_ENDED_CHILDREN]; /* remains.c */
	struct predict *predicts;
	struct pruner *pruner; /* prune/prune.c; NULL with ends_only */
	pthread_mutex_t live_lock;
	struct live_endpoint *live;
	char *slots;			     /* JSON text, guarded by live_lock */
	int64_t checkpointed_us, trimmed_us; /* monotonic */
};

/* ---- txn.c ---- */
/* Nested transactions join the outer one. txn_begin fails when the database
 * cannot be written; then do nothing. */
int txn_begin(struct manager *mgr, struct err *reterr) MUSTCHECK;
/* Mark the transaction as failed (a store function failed): txn_end rolls back. Returns r. */
int txn_fail(struct manager *mgr, int r, const struct err *why);
/* Commit, publish, run the actions. 0, or negative when it was rolled back. */
int txn_end(struct manager *mgr, struct err *reterr);
void txn_on_commit(struct manager *mgr, void (*fn)(struct manager *mgr, void *arg, bool committed),
		   void *arg);
/* Undo what a failed command has planned: `mark` is actions_tail from before it. */
void txn_drop_actions(struct manager *mgr, struct txn_action **mark);

/* ---- mailbox.c ---- */
/* A scheduling pass follows, after what is in the queue. */
void manager_want_schedule(struct manager *mgr);
/* Any thread. The manager runs m->fn soon; m is the callee's. */
void manager_post(struct manager *mgr, struct manager_message *m);

/* ---- snapshot.c ---- */
/* Renew what api threads see of slots and executions. */
void slots_publish(struct manager *mgr);

/* ---- recover.c ---- */
int manager_recover(struct manager *mgr, struct err *reterr) MUSTCHECK;
