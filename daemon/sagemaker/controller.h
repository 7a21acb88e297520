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

#define SAGEMAKER_RESYNC_US	 USEC_PER_SEC /* rows are looked at at least this often */
#define SAGEMAKER_BACKOFF_US	 USEC_PER_SEC /* first wait after trouble, doubled */
#define SAGEMAKER_BACKOFF_MAX_US (60 * USEC_PER_SEC)
#define SAGEMAKER_TRIES_GONE                                                                     \
	3		       /* times that something is not found before it is held to be gone \
				*/
#define SAGEMAKER_TRIES_ROLE 6 /* a new role is not everywhere at once */

enum sagemaker_step {
	SAGEMAKER_STEP_CREATE,
	SAGEMAKER_STEP_DESCRIBE,
	SAGEMAKER_STEP_TAGS,   /* read the tags: they say who made a resource with our name */
	SAGEMAKER_STEP_END,    /* stop or delete */
	SAGEMAKER_STEP_UPDATE, /* an endpoint: use the config that its row names */
	SAGEMAKER_STEP_LOGS,
	SAGEMAKER_STEP_LOOKUP,
	SAGEMAKER_STEP_PARITY,
};

/* One call under way. */
struct sagemaker_call {
	struct manager_message message; /* first: the manager casts back */
	struct manager *manager;
	enum sagemaker_step step;
	char row[ID_LEN];
	bool fresh;	   /* create: nothing had been sent before */
	json_t *input;	   /* owned */
	char key[512];	   /* what it was about: a look-up's key, a log stream */
	char text[2][256]; /* header lines of a runtime call */
	char *body;	   /* owned, of a runtime call */
	void (*answered)(struct manager *mgr, struct sagemaker_call *cc);
	struct aws_call call;
	struct sagemaker_call *next;
};
/* input is taken over. NULL: no memory. */
struct sagemaker_call *sagemaker_call_new(struct manager *mgr, enum aws_service service,
					  const char *operation, const char *region, json_t *input);
/* cc->answered runs on the manager thread, once; then cc is freed. Not when the manager stops. */
void sagemaker_call_send(struct sagemaker_call *cc);
void sagemaker_call_free(struct sagemaker_call *cc); /* one that was not sent */
/* True if a call of this row is under way (logs: of its log, else any other). */
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
	struct reason pause; /* REASON_NONE: the target works */
	int64_t pause_until_us;
};
void sagemaker_lookups_free(struct sagemaker *c);
/* The wait after `tries` troubles in a row. */
int64_t sagemaker_backoff_us(const struct manager *mgr, int tries);

/* One kind of resource, as the controller drives it. */
struct sagemaker_driver {
	const char *create, *describe, *end; /* operations; end: Stop… or Delete… */
	const char *name_key;		     /* "TrainingJobName" */
	const char *arn_key;		     /* "TrainingJobArn" */
	bool polled; /* it changes by itself; else it is described only to verify */
	/* All inside a transaction. A describe's answer into row->status, answer, reason, next_us,
	 * which the caller stores. 1: it is over (ENDED), 0: it goes on, negative. */
	int (*on_described)(struct manager *mgr, struct resource_row *row, const json_t *answer,
			    struct err *reterr);
	/* After the row was stored: what the answer means for its owner. *ret_next as that of
	 * sagemaker_judge(). May be NULL. */
	int (*on_stored)(struct manager *mgr, const struct resource_row *row,
			 enum sagemaker_step *ret_next, struct err *reterr);
	/* The row has come to a final state. */
	int (*on_ended)(struct manager *mgr, const struct resource_row *row, struct err *reterr);
	/* 1 if the row may be created or ended now (order of model, config, endpoint). */
	int (*can_proceed)(struct manager *mgr, const struct resource_row *row, bool create,
			   struct err *reterr);
};
extern const struct sagemaker_driver *const sagemaker_drivers[RESOURCE_KINDS_];
extern const struct sagemaker_driver sagemaker_training_driver, sagemaker_model_driver,
	sagemaker_config_driver, sagemaker_endpoint_driver;

/* sagemaker/answer.c, inside a transaction: what the answer to a step means for its row. *ret_next:
 * the step to send after the commit; as it was: none. */
int sagemaker_judge(struct manager *mgr, struct resource_row *row, const struct sagemaker_call *cc,
		    enum sagemaker_step *ret_next, struct err *reterr) MUSTCHECK;
/* Inside a transaction: to a final state, and its owner is told. */
int sagemaker_resource_end(struct manager *mgr, struct resource_row *row, enum resource_state to,
			   const struct reason *why, struct err *reterr) MUSTCHECK;
/* sagemaker/row.c, inside a transaction: what is wanted of it has changed. It is stored and looked
 * at at once; a parity check of what it was is given up. */
int sagemaker_resource_desire(struct manager *mgr, struct resource_row *row,
			      struct err *reterr) MUSTCHECK;
/* sagemaker/row.c, inside a transaction: it is no longer wanted; the controller ends it, in the
 * order of things. */
int sagemaker_resource_unwant(struct manager *mgr, struct resource_row *row,
			      const struct reason *why, struct err *reterr) MUSTCHECK;
/* sagemaker/step.c: send a step of this row now (own transaction before it). */
void sagemaker_step(struct manager *mgr, struct resource_row *row, enum sagemaker_step step);

/* sagemaker/endpoint_end.c, inside a transaction. It does not work: everything of it goes. */
int sagemaker_endpoint_fail(struct manager *mgr, const char *endpoint, const struct reason *why,
			    struct err *reterr) MUSTCHECK;
/* If it is being deleted and no row of it is left, it is gone. */
int sagemaker_endpoint_close(struct manager *mgr, const char *endpoint,
			     struct err *reterr) MUSTCHECK;
/* What a FailureReason of an endpoint is about, by its words. */
enum reason_code sagemaker_failure_code(const char *text);

/* sagemaker/log.c */
void sagemaker_log_follow(struct manager *mgr, const struct resource_row *row);
/* True if the log has been read to its end; `over_us`: when the job was first seen to be over. */
bool sagemaker_log_is_drained(struct manager *mgr, const struct resource_row *row, int64_t over_us);
void sagemaker_log_forget(struct manager *mgr, const char *row);
void sagemaker_tails_free(struct sagemaker *c);
