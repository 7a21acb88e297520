/* SPDX-License-Identifier: MIT */
/*
 * S3 calls in parallel: a fixed number of slots. The main thread fills and sends them and handles
 * their ends. Bodies move between files and the net thread. After SIGTERM a call ends soon,
 * whatever the server does.
 */
#pragma once

#include "aws/s3.h"
#include "transfer/transfer.h"

#include <pthread.h>

#define PUMP_SLOTS 10

enum slot_state {
	SLOT_FREE,
	SLOT_TAKEN,  /* the main thread fills it or handles its end */
	SLOT_FLYING, /* the client owns it */
	SLOT_BACK,   /* ended, not handled yet */
};

struct slot {
	struct s3_call s3;
	struct pump *pump;
	enum slot_state state; /* under the pump's lock */

	/* The body's file, read or written from `offset` on; -1: none */
	int fd;
	char *memory; /* destination of an answer without a file */
	int64_t offset;
	int64_t got;	  /* bytes of this answer */
	int64_t counted;  /* bytes that progress has counted */
	int64_t expected; /* most bytes of the answer */
	int io_errno;	  /* error of the body's callback, which then gave up the call */

	void *owner;
	int part;
	char sha256[HASH_HEX_LEN]; /* of the body */
	/* Handle the end of the call, on the main thread; the slot is freed afterwards. NULL:
	 * pump_call() waits for it. */
	int (*over)(struct slot *s, struct err *reterr);
};

struct pump {
	struct transfer *t;
	struct aws *aws;
	struct slot slots[PUMP_SLOTS];
	int flying;
	int64_t last_end_us; /* time limit of the clean-up; 0: not begun */
	pthread_mutex_t lock;
	pthread_cond_t cond;
};

int pump_new(struct transfer *t, struct pump **ret, struct err *reterr) MUSTCHECK;
/* Cancel the calls under way and wait for them. NULL is allowed. */
void pump_free(struct pump *p);
void pump_drain(struct pump *p);
/* Take a free slot. NULL: all are in use. */
struct slot *pump_slot(struct pump *p);
/* Free a slot. If a stop has left its call under way, pump_drain() frees it later. */
void pump_release(struct slot *s);
/* Send the slot's call, which an s3_*() function has filled. Does not block. */
void pump_send(struct slot *s);
/* Wait for one end and handle it. Returns the result of its `over`, or -ERR_CANCELLED. */
int pump_turn(struct pump *p, struct err *reterr) MUSTCHECK;
/* Send and wait; the ends of other calls are handled meanwhile. The slot stays the caller's.
 * Returns the call's result (see pump_why()), or the failure of another call's `over`. */
int pump_call(struct slot *s, struct err *reterr) MUSTCHECK;
/* The same in a clean-up, also after SIGTERM. All such calls together get LAST_CALLS_US. */
int pump_call_last(struct slot *s, struct err *reterr) MUSTCHECK;

/* read_body and on_data for a slot with a file, and on_data for one with memory. */
ssize_t pump_read_file(struct net_request *rq, char *data, size_t size, size_t offset);
bool pump_write_file(struct net_request *rq, const char *data, size_t len);
bool pump_write_memory(struct net_request *rq, const char *data, size_t len);

/* Fill *reterr and the transfer's failure_code for a failed call. Returns the error. */
int pump_why(struct slot *s, struct err *reterr);
