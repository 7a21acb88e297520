/* SPDX-License-Identifier: MIT */
/*
 * The manager's internals, shared by the files of daemon/ that run on the manager's thread (all
 * functions here, unless stated otherwise). Rules for every file:
 *   1. The database is the truth. Rows change only inside a transaction (txn_begin … txn_end).
 *      Memory changes, process starts and messages happen only in txn_on_commit() actions,
 *      which run after the commit; lines of the log wait for it, too (txn_log).
 *   2. Only schedule/job_state.c changes a job's state, only endpoint/state.c an endpoint's.
 *   3. An execution is alive as long as its lock is held. Only exit.json or a free lock
 *      ends it.
 */
#pragma once

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/loop.h"
#include "base/proc.h"
#include "daemon/devices.h"
#include "daemon/figures.h"
#include "daemon/manager.h"
#include "daemon/run.h"
#include "daemon/settings.h"
#include "daemon/txn.h"
#include "jobs/reason.h"
#include "jobs/sagemaker/resource.h"
#include "net/net.h"
#include "storage/store.h"
#include "wire/event.h"
#include "wire/execution.h"

#include <pthread.h>
#include <sys/queue.h>

#define MANAGER_BATCH_MAX      256	    /* commands in one transaction */
#define MANAGER_RESCAN_US      USEC_PER_SEC /* each live execution is checked this often */
#define MANAGER_EVENTS_CHUNK   (128 << 10)  /* bytes of events.ndjson read in one transaction */
#define MANAGER_EVENTS_MAX     EVENT_FILE_MAX
#define MANAGER_EVENTS_TAIL    (256 << 10)  /* bytes at the end that are always read */
#define MANAGER_LOG_NOTICE_US  250000	    /* least time between two log notices */
#define MANAGER_PROGRESS_US    USEC_PER_SEC /* least time between two progress events */
/* for processes that survive SIGKILL (a hung disk) */
#define MANAGER_REMAINS_US     (60 * USEC_PER_SEC)
#define MANAGER_SHIM_US	       (10 * USEC_PER_SEC) /* a stopped shim gets the grace and this */
#define MANAGER_READY_MAX      64		   /* ready jobs read at a time, at most */
#define MANAGER_LINE_MAX       1024		   /* of one queue, examined in one pass */
#define MANAGER_BEAT_MAX_US    (5 * USEC_PER_SEC)  /* if no tick happens for longer: not ready */
#define MANAGER_ENDED_CHILDREN 64		   /* remembered until somebody waits for them */
#define ENDPOINT_RESTARTS_MAX  5		   /* crashes in a row until an endpoint fails */

/* A child of the daemon that has ended and that the manager must not reap at once. */
struct ended_child {
	pid_t pid; /* 0: none */
	int64_t start;
	int64_t seen_us; /* time of the first sight, clock_mono_us */
};

/* A live execution in memory. Its row is the truth; this struct adds derived data and open
 * files. */
struct execution {
	struct manager *manager;
	struct execution_row row;
	/* True if its row is not committed yet, or if it starts in this round of the loop */
	bool planned;
	bool look_soon; /* executions.c */
	bool unstarted; /* True if its shim could not start for lack of resources: start again */
	bool stop_sent;
	bool stop_wanted;
	bool adopts;	     /* True if this daemon started its shim and gets its orphans */
	bool may_live;	     /* True if its shim is gone without proof that all processes ended */
	int64_t lost_us;     /* its shim was first seen gone; 0: the shim lives */
	int64_t late_us;     /* its shim should end it but was first seen stopped; 0: not */
	bool events_refused; /* True if a warning says that its events are unreadable */
	bool events_cut;     /* True if a warning says that its events are too many */
	int64_t events_end;  /* size of its events at its end; 0 before */
	bool retired_seen;   /* True if an earlier tick saw it retired; the next tick stops it */
	int dirfd;	     /* -1 before the launch */
	int lock_fd;	     /* its lock file, opened once (a job may change the name); -1: none */
	char proof[HASH_HEX_LEN]; /* the secret for its shim; "" after the shim has it */
	bool forgery_logged;	  /* True if a forged record was logged */
	int watch;		  /* inotify watch of work/; -1: none */
	int watch_dir;		  /* inotify watch of the directory itself */
	struct reason failure;	  /* the worker's failure line; REASON_NONE: none */
	json_t *result;		  /* the worker's result values */
	json_t *progress;
	int64_t since_mono_us; /* time of the start, clock_mono_us */
	int64_t progress_published_us, log_notified_us, log_size;
	int64_t lines_skipped; /* invalid lines of its events */
	int64_t replayed;      /* events.ndjson: read again up to here after a restart */
	sd_event_source *more; /* set if another chunk of events is to be read */
	struct execution *next;
};

/* The part of a live endpoint that other threads may read; guarded by manager.live_lock. */
struct live_endpoint {
	char name[SPEC_NAME_MAX + 1];
	char id[ID_LEN];
	enum job_target target;
	enum endpoint_state state;
	int work_dirfd;				   /* -1: no local server at the moment */
	char resource_name[RESOURCE_NAME_MAX + 1]; /* of a SageMaker endpoint in service */
	char region[32];
	size_t body_max; /* bytes of a request that it takes */
	int64_t last_request_us;
	struct live_endpoint *next;
};

STAILQ_HEAD(command_list, command);

/* A message from another thread to the manager. */
struct manager_message {
	void (*fn)(struct manager *mgr, struct manager_message *m);
	STAILQ_ENTRY(manager_message) link;
};

struct aws;
struct account;
struct sagemaker;
struct database_check;
struct pruner;
struct backups;

struct manager {
	const struct settings *_Atomic settings; /* reload.c replaces it; any thread reads it */
	struct store *store;
	struct feed *feed;
	struct net *net;
	struct aws *aws; /* NULL: aws_why has the reason */
	struct reason aws_why;
	struct sagemaker *sagemaker; /* controller of the SageMaker target */
	struct account *account;     /* answers queries of the AWS account */
	struct devices *devices;
	struct figures figures;
	struct database_check *database_check; /* NULL: not started, or the start failed */
	sd_event *loop;
	int inotify_fd;
	struct spare_descriptors spare; /* reserve for starting executions */
	char boot_id[BOOT_ID_LEN];
	bool ready, stopping;
	manager_reload_fn reload; /* reload.c; NULL: none */
	void *reload_data;
	bool ends_only; /* True after manager_new_ending() */
	bool adopts;	/* True if orphans of its executions become its children */

	/* the command queue; guarded by queue_lock */
	pthread_mutex_t queue_lock;
	struct command_list queue;
	STAILQ_HEAD(, manager_message) inbox;
	size_t queue_n;
	int queue_fd; /* eventfd: the queue or the mailbox is not empty */

	/* the open transaction */
	int txn_depth;
	int64_t txn_begun_us; /* clock_mono_us */
	bool txn_failed;
	struct err txn_err;
	uint64_t txns_failed; /* number of failed transactions; they wrote nothing */
	struct txn_actions actions;
	/* store_restored_us() until it is confirmed; any thread reads it */
	_Atomic int64_t restored_us;
	bool broken;	/* True if the loop ends because the disk has failed */
	bool misplaced; /* True if it was logged that the data directory has moved */
	bool want_schedule;
	bool time_helps; /* True if a job waits for a foreign event: a GPU user, AWS, money */
	int64_t due_us;	 /* wall clock: earliest end of a retry's back-off */
	int64_t clock_offset_us; /* wall clock minus clock_mono_us() at the last tick */
	sd_event_source *schedule_source, *tick_source, *rescan_source, *gather_source,
		*look_source, *inotify_source;
	int64_t ticks;
	_Atomic int64_t beat_us; /* the last tick, clock_mono_us; any thread reads it */

	struct execution *executions;
	struct shim_child *shims;				   /* shims.c */
	struct stray *strays;					   /* strays.c */
	struct ended_child ended_children[MANAGER_ENDED_CHILDREN]; /* remains.c */
	struct predict *predicts;
	struct pruner *pruner;	 /* prune/prune.c; NULL with ends_only */
	struct backups *backups; /* backup/backups.c; NULL with ends_only */
	pthread_mutex_t live_lock;
	struct live_endpoint *live;
	char *slots;			     /* JSON text; guarded by live_lock */
	int64_t checkpointed_us, trimmed_us; /* monotonic */
};

/* ---- mailbox.c ---- */
/* Request a scheduling pass after the queued commands. */
void manager_want_schedule(struct manager *mgr);
/* Any thread. The manager's thread calls m->fn soon; fn then owns m. */
void manager_post(struct manager *mgr, struct manager_message *m);

/* ---- snapshot.c ---- */
/* Publish slots and executions for API threads. */
void slots_publish(struct manager *mgr);

/* ---- recover.c ---- */
int manager_recover(struct manager *mgr, struct err *reterr) MUSTCHECK;
