/* SPDX-License-Identifier: MIT */
/*
 * Inside of sagemaker/, and what adopt/ takes of it. A file needs only files below it:
 *
 *   plan.c          the intents of a job after its staging; cancel
 *   controller.c    its timer, due rows
 *   step.c          the call of a step, and the transaction of its answer
 *   answer.c        what an answer means for its row
 *   drivers.c       the table of the kinds of resources
 *   training.c      training jobs: what their status means for the job
 *   log.c           CloudWatch logs into the attempt's log file
 *   log_tail.c      where in a log the next page is read
 *   log_page.c      what becomes of one page of a log
 *   log_file.c      its lines
 *   metrics.c       the metrics and progress in those lines
 *   log_search.c    the thread that searches lines with users' expressions
 *   endpoint.c      endpoints: model → config → endpoint, delete in the other order
 *   parity.c        does an endpoint answer as its model did when it was trained
 *   update.c        an endpoint gets another model
 *   endpoint_end.c  how an endpoint ends: all of its rows are unwanted
 *   update_job.c    the job that updates an endpoint
 *   row.c           what is wanted of a row has changed
 *   location.c      may a job start, and where do its things go
 *   lookup.c        what must be known of the account before a job starts: who we are, roles
 *   idle.c          does anybody else ask an endpoint
 *   call.c          calls under way; the pause of the whole target
 */
#pragma once

#include "aws/client.h"
#include "daemon/sagemaker/sagemaker.h"

#define SAGEMAKER_RESYNC_US	 USEC_PER_SEC /* every row is examined at least this often */
#define SAGEMAKER_BACKOFF_US	 USEC_PER_SEC /* first wait after an error; doubled */
#define SAGEMAKER_BACKOFF_MAX_US (60 * USEC_PER_SEC)
/* times that something is not found before it is held to be gone */
#define SAGEMAKER_TRIES_GONE	 3
#define SAGEMAKER_TRIES_ROLE	 6 /* a new role becomes visible slowly */

enum sagemaker_step {
	SAGEMAKER_STEP_CREATE,
	SAGEMAKER_STEP_DESCRIBE,
	SAGEMAKER_STEP_TAGS,   /* read the tags, which show who made a resource with our name */
	SAGEMAKER_STEP_END,    /* stop or delete */
	SAGEMAKER_STEP_UPDATE, /* switch an endpoint to the config that its row names */
	SAGEMAKER_STEP_LOGS,
	SAGEMAKER_STEP_LOOKUP,
	SAGEMAKER_STEP_PARITY,
};

/* A running call. */
struct sagemaker_call {
	struct manager_message message; /* first: the manager casts back */
	struct manager *manager;
	enum sagemaker_step step;
	char row[ID_LEN];
	bool fresh;		      /* of a create: True if none was sent before */
	json_t *input;		      /* owned */
	char key[LOG_STREAM_MAX + 1]; /* its subject: the key of a look-up or a log stream */
	char text[2][256];	      /* header lines of a runtime call */
	char *body;		      /* body of a runtime call; owned */
	void (*answered)(struct manager *mgr, struct sagemaker_call *cc);
	struct aws_call call;
	struct sagemaker_call *next;
};
/* Create a call. Takes over `input`. NULL if memory is out. */
struct sagemaker_call *sagemaker_call_new(struct manager *mgr, enum aws_service service,
					  const char *operation, const char *region, json_t *input);
/* Send the call. cc->answered runs once on the manager's thread, unless the manager stops; then cc
 * is freed. */
void sagemaker_call_send(struct sagemaker_call *cc);
void sagemaker_call_free(struct sagemaker_call *cc); /* frees a call that was not sent */
/* True if a call of this row is running. `logs`: a call of its log, else any other. */
bool sagemaker_call_is_open(const struct manager *mgr, const char *row, bool logs);

struct sagemaker_lookup;
struct sagemaker_tail;
struct sagemaker_idle;
struct log_search;
struct sagemaker {
	sd_event_source *timer;
	bool reconcile_queued;
	struct sagemaker_call *calls;
	struct sagemaker_lookup *lookups;
	struct sagemaker_tail *tails;
	struct log_search *search;
	struct sagemaker_idle *idles;
	struct reason pause; /* REASON_NONE: the target is not paused */
	int64_t pause_until_us;
};
void sagemaker_lookups_free(struct sagemaker *c);
/* The wait after `tries` consecutive errors. */
int64_t sagemaker_backoff_us(const struct manager *mgr, int tries);

/* A kind of resource, for the controller. */
struct sagemaker_driver {
	const char *create, *describe, *end; /* operations; end is Stop… or Delete… */
	const char *name_key;		     /* "TrainingJobName" */
	const char *arn_key;		     /* "TrainingJobArn" */
	/* True if its status changes by itself; otherwise it is described only to verify its
	 * existence */
	bool polled;
	/* All in a transaction. Copy a describe answer into row->status, answer, reason and
	 * next_us; the caller stores the row. Returns 1 if the resource has ended (ENDED), 0 if it
	 * continues, or a negative error. */
	int (*on_described)(struct manager *mgr, struct resource_row *row, const json_t *answer,
			    struct err *reterr);
	/* Apply the stored answer to the row's owner. *ret_next as in sagemaker_judge(). May be
	 * NULL. */
	int (*on_stored)(struct manager *mgr, const struct resource_row *row,
			 enum sagemaker_step *ret_next, struct err *reterr);
	/* The row has reached a final state. */
	int (*on_ended)(struct manager *mgr, const struct resource_row *row, struct err *reterr);
	/* Returns 1 if the row may be created or ended now (order of model, config, endpoint). */
	int (*can_proceed)(struct manager *mgr, const struct resource_row *row, bool create,
			   struct err *reterr);
};
extern const struct sagemaker_driver *const sagemaker_drivers[RESOURCE_KINDS_];
extern const struct sagemaker_driver sagemaker_training_driver, sagemaker_model_driver,
	sagemaker_config_driver, sagemaker_endpoint_driver;

/* sagemaker/answer.c, in a transaction: apply the answer of a step to its row. *ret_next is the
 * step to send after the commit; unchanged if there is none. */
int sagemaker_judge(struct manager *mgr, struct resource_row *row, const struct sagemaker_call *cc,
		    enum sagemaker_step *ret_next, struct err *reterr) MUSTCHECK;
/* In a transaction: move the row to a final state and notify its owner. */
int sagemaker_resource_end(struct manager *mgr, struct resource_row *row, enum resource_state to,
			   const struct reason *reason, struct err *reterr) MUSTCHECK;
/* sagemaker/row.c, in a transaction: the desired state changed. Store it, reconcile now, cancel a
 * running parity check. */
int sagemaker_resource_desire(struct manager *mgr, struct resource_row *row,
			      struct err *reterr) MUSTCHECK;
/* sagemaker/row.c, in a transaction: mark the row as unwanted. The controller ends the resource in
 * the right order. */
int sagemaker_resource_unwant(struct manager *mgr, struct resource_row *row,
			      const struct reason *reason, struct err *reterr) MUSTCHECK;
/* sagemaker/step.c: send a step of this row now, after a separate transaction. */
void sagemaker_step(struct manager *mgr, struct resource_row *row, enum sagemaker_step step);

/* sagemaker/endpoint_end.c, in a transaction: fail the endpoint and remove its resources. */
int sagemaker_endpoint_fail(struct manager *mgr, const char *endpoint, const struct reason *reason,
			    struct err *reterr) MUSTCHECK;
/* End the endpoint if it is being deleted and all its rows are final. */
int sagemaker_endpoint_close(struct manager *mgr, const char *endpoint,
			     struct err *reterr) MUSTCHECK;
/* Derive the reason code from the words of an endpoint's FailureReason. */
enum reason_code sagemaker_failure_code(const char *text);

/* sagemaker/log.c */
void sagemaker_log_follow(struct manager *mgr, const struct resource_row *row);
/* The training job is over: true if its log was read to its end, or is given up after
 * aws.log_give_up_ms, which becomes a warning of the job. The time counts from this process's first
 * call for the row: what passes while no daemon runs is no attempt to read. */
bool sagemaker_log_is_drained(struct manager *mgr, const struct resource_row *row);
/* sagemaker/log_tail.c */
void sagemaker_log_forget(struct manager *mgr, const char *row);
void sagemaker_tails_free(struct sagemaker *c);
