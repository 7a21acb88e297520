/* SPDX-License-Identifier: MIT */
/*
 * S3 calls under way at once: a fixed number of slots. The main thread fills and sends them and
 * handles their ends; bodies go from and to files on the net thread. A call that is given up
 * (SIGTERM) ends soon, whatever the server does.
 */
#pragma once

#include "aws/s3.h"
#include "transfer/transfer.h"

#include <pthread.h>

#define PUMP_SLOTS 10

enum slot_state {
	SLOT_FREE,
	SLOT_TAKEN,  /* being filled, or its end is being read */
	SLOT_FLYING, /* the client's */
	SLOT_BACK,   /* ended, not handled yet */
};

struct slot {
	struct s3_call s3;
	struct pump *pump;
	enum slot_state state; /* under the pump's lock */

	/* the body's file: read from, or written to, `offset` on */
	int fd;
	char *memory; /* where an answer goes without a file */
	int64_t offset;
	int64_t got;	  /* bytes of this answer */
	int64_t counted;  /* bytes that progress knows of */
	int64_t expected; /* bytes of the answer, at most */
	int io_errno;	  /* why the body's callback gave the call up */

	void *owner;
	int part;
	char sha256[HASH_HEX_LEN]; /* of the body */
	/* Main thread; the slot is freed afterwards. NULL: pump_call waits for it. */
	int (*over)(struct slot *s, struct err *reterr);
};

struct pump {
	struct transfer *t;
	struct aws *aws;
	struct slot slots[PUMP_SLOTS];
	int flying;
	int64_t last_end_us; /* of a clean-up; 0: none has begun */
	pthread_mutex_t lock;
	pthread_cond_t cond;
};

int pump_new(struct transfer *t, struct pump **ret, struct err *reterr) MUSTCHECK;
/* Gives up what is under way and waits for it; NULL is allowed. */
void pump_free(struct pump *p);
void pump_drain(struct pump *p);
/* A free slot, now the caller's; NULL: all are in use. */
struct slot *pump_slot(struct pump *p);
/* Also of a slot whose call a stop has left under way: that one is freed by pump_drain. */
void pump_release(struct slot *s);
/* The call has been filled by an s3_*(). */
void pump_send(struct slot *s);
/* Wait for one end and handle it. Returns what its `over` says, or -ERR_CANCELLED. */
int pump_turn(struct pump *p, struct err *reterr) MUSTCHECK;
/* Send and wait; others are handled meanwhile. The slot stays the caller's. Returns the call's
 * result (pump_why() makes the message), or the failure of another's `over`. */
int pump_call(struct slot *s, struct err *reterr) MUSTCHECK;
/* The same during a clean-up: also after SIGTERM; all of them together for a few seconds. */
int pump_call_last(struct slot *s, struct err *reterr) MUSTCHECK;

/* read_body and on_data of a slot with a file. */
ssize_t pump_read_file(struct net_request *rq, char *data, size_t size, size_t offset);
bool pump_write_file(struct net_request *rq, const char *data, size_t len);
bool pump_write_memory(struct net_request *rq, const char *data, size_t len);

/* Fill *reterr and the transfer's failure_code for a call that has failed. Returns the error. */
int pump_why(struct slot *s, struct err *reterr);
