/* SPDX-License-Identifier: MIT */
/*
 * Calls to AWS: signed, paced by a token bucket per region and operation, retried with full jitter
 * under a quota, with the clock's skew corrected and an S3 bucket's true region found once. One
 * client a process. Thread-safe; `done` runs on the net thread, or once that has stopped on the
 * caller's.
 */
#pragma once

#include "aws/credentials.h"
#include "base/json.h"
#include "net/net.h"

#include <stdbool.h>
#include <stdint.h>

#define AWS_REPLY_MAX	(8 << 20)
#define AWS_CODE_MAX	96
#define AWS_MESSAGE_MAX 1024

struct aws;

/* What an error means for the caller; from code, status and message (aws/error.c; public sources
 * beside each row). */
enum aws_error_kind {
	AWS_ERROR_NONE,
	AWS_ERROR_THROTTLED,   /* try again later, slower */
	AWS_ERROR_TRANSIENT,   /* 5xx, no connection, time-out: nothing is known */
	AWS_ERROR_CREDENTIALS, /* none, expired, invalid signature, unknown key */
	AWS_ERROR_DENIED,      /* AccessDenied */
	AWS_ERROR_NOT_FOUND,   /* also SageMaker's ValidationException "Could not find …" */
	AWS_ERROR_EXISTS,      /* "Cannot create already existing …", ResourceInUse */
	AWS_ERROR_IN_PROGRESS, /* "Cannot update in-progress endpoint" */
	AWS_ERROR_QUOTA,       /* ResourceLimitExceeded */
	AWS_ERROR_CAPACITY,
	AWS_ERROR_ROLE,	    /* "Could not assume role": may be a new role's eventual consistency */
	AWS_ERROR_TERMINAL, /* a stop of what has ended: "job is in status Stopped" */
	AWS_ERROR_MODEL,    /* runtime: the model answered with an error (424) */
	AWS_ERROR_INVALID,  /* any other 4xx: the request is wrong */
	AWS_ERROR_UNREADABLE, /* an answer that cannot be understood */
};

struct aws_call {
	/* the caller's; borrowed until done */
	enum aws_service service;
	const char *operation; /* "CreateTrainingJob", "ListRoles", "PutObject"; also the bucket's
				* name for pacing */
	const char *region;    /* NULL or "": the configuration's */
	/* JSON and query services: */
	const json_t *input; /* an object; query services take strings and integers, lists become
			      * Name.member.N */
	/* S3 and runtime: */
	const char *method;
	const char *bucket, *key; /* S3; key NULL: the bucket itself */
	const char *path;	  /* runtime, unescaped segments already escaped */
	const char *query;	  /* escaped and sorted, "" or NULL: none */
	const char *headers[16];  /* "Name: value", signed */
	size_t headers_n;
	const void *body;
	size_t body_len;
	const char *payload_hash; /* hex sha256 of a body that read_body gives; NULL with read_body:
				   * UNSIGNED-PAYLOAD */
	ssize_t (*read_body)(struct net_request *rq, char *data, size_t size, size_t offset);
	bool (*on_data)(struct net_request *rq, const char *data, size_t len);
	/* rq->userdata is the aws_call in both. Once on_data has got a byte there are no more
	 * attempts: ask for the rest with a Range header. */

	int64_t timeout_us; /* of one attempt; 0: 60 s, S3 bodies: only the stall limit */
	int attempts_max;   /* 0: the configuration's */
	size_t reply_max;   /* 0: AWS_REPLY_MAX */
	void (*done)(struct aws_call *c);
	void *userdata;

	/* the result */
	int result; /* 0: a good answer; else negative, `kind` says what it means and err says it in
		     * one clear sentence: operation, the service's code and message */
	struct err err;
	enum aws_error_kind kind;
	char code[AWS_CODE_MAX];
	char message[AWS_MESSAGE_MAX];
	char request_id[96];
	int status;
	bool uncertain; /* it failed, but an attempt may have been carried out */
	int attempts;
	json_t *output;		 /* JSON and query services: the answer (of query services the
				  * …Result, its lists as {"member": […]}, or "" when empty), never
				  * NULL on success; released by aws_call_done */
	struct net_request http; /* reply body, headers (net_reply_header) of the last attempt */
	void *state;		 /* the client's */
};

void aws_call_init(struct aws_call *c, enum aws_service service, const char *operation);
void aws_call_done(struct aws_call *c); /* releases the result */

struct aws_options {
	const struct aws_config *config; /* borrowed */
	struct net *net;		 /* borrowed */
	int64_t keys_again_us;		 /* as aws_credential_cache_new() */
};
int aws_new(const struct aws_options *o, struct aws **ret, struct err *reterr) MUSTCHECK;
void aws_free(struct aws *a); /* after net_stop or when nothing is under way */
const struct aws_config *aws_config_of(const struct aws *a);

/* Any thread. `done` runs exactly once, also when it cannot be sent. */
void aws_send(struct aws *a, struct aws_call *c);
/* Send and wait (not on the net thread). Returns c->result. */
int aws_wait(struct aws *a, struct aws_call *c, struct err *reterr) MUSTCHECK;
/* Give it up soon. */
void aws_cancel(struct aws *a, struct aws_call *c);
