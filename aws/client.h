/* SPDX-License-Identifier: MIT */
/*
 * Calls to AWS. The client signs them, limits their rate by a token bucket per region and
 * operation, and retries them with full jitter under a quota. It corrects the clock's skew, and
 * finds the true region of an S3 bucket once.
 * One client per process. Thread-safe; `done` runs on the net thread, or on the caller's thread
 * after that has stopped.
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

/* The meaning of an error for the caller, found from code, status and message (the table is in
 * aws/error.c, with public sources). */
enum aws_error_kind {
	AWS_ERROR_NONE,
	AWS_ERROR_THROTTLED,   /* try again later, and slower */
	AWS_ERROR_TRANSIENT,   /* 5xx, no connection, time-out: the outcome is not known */
	AWS_ERROR_CREDENTIALS, /* none, expired, invalid signature, or unknown key */
	AWS_ERROR_DENIED,      /* AccessDenied */
	AWS_ERROR_NOT_FOUND,   /* also SageMaker's ValidationException "Could not find …" */
	AWS_ERROR_EXISTS,      /* "Cannot create already existing …", ResourceInUse */
	AWS_ERROR_IN_PROGRESS, /* "Cannot update in-progress endpoint" */
	AWS_ERROR_QUOTA,       /* ResourceLimitExceeded */
	AWS_ERROR_CAPACITY,
	AWS_ERROR_ROLE,	      /* "Could not assume role": a new role may not be visible yet */
	AWS_ERROR_TERMINAL,   /* a stop after the end: "job is in status Stopped" */
	AWS_ERROR_MODEL,      /* runtime: the model returned an error (424) */
	AWS_ERROR_INVALID,    /* any other 4xx: the request is wrong */
	AWS_ERROR_UNREADABLE, /* an answer that cannot be parsed */
};

struct aws_call {
	/* The caller's part, borrowed until `done`: */
	enum aws_service service;
	const char *operation; /* such as "CreateTrainingJob", "ListRoles", "PutObject"; also
				  selects the bucket of the rate limit */
	const char *region;    /* NULL or "": that of the configuration */
	/* JSON and query services: */
	const json_t *input; /* an object. Query services accept strings and integers; a list
				becomes Name.member.N */
	/* S3 and runtime: */
	const char *method;
	const char *bucket, *key; /* S3; key NULL: the bucket itself */
	const char *path;	  /* runtime: the path, its segments already escaped */
	const char *query;	  /* escaped and sorted; "" or NULL: none */
	const char *headers[16];  /* "Name: value", all signed */
	size_t headers_n;
	const void *body;
	size_t body_len;
	const char *payload_hash; /* hex SHA-256 of a body from read_body; NULL with read_body:
				     UNSIGNED-PAYLOAD */
	ssize_t (*read_body)(struct net_request *rq, char *data, size_t size, size_t offset);
	bool (*on_data)(struct net_request *rq, const char *data, size_t len);
	/* In both callbacks rq->userdata is the aws_call. After the first byte for on_data there is
	 * no further attempt: ask for the rest with a Range header. */

	int64_t timeout_us; /* of one attempt; 0: 60 s, for S3 bodies only the stall limit */
	int attempts_max;   /* 0: that of the configuration */
	size_t reply_max;   /* 0: AWS_REPLY_MAX */
	void (*done)(struct aws_call *c);
	void *userdata;

	/* The result: */
	int result; /* 0: success; negative: `kind` has the meaning, and err one sentence with the
		       operation, the service's code and message */
	struct err err;
	enum aws_error_kind kind;
	char code[AWS_CODE_MAX];
	char message[AWS_MESSAGE_MAX];
	char request_id[96];
	int status;
	bool uncertain; /* True if the call failed although an attempt may have been carried out */
	int attempts;
	/* JSON and query services: the answer, never NULL on success; aws_call_done() frees it.
	 * Query services: the …Result, with lists as {"member": […]} or "" if empty */
	json_t *output;
	struct net_request http; /* reply body and headers (net_reply_header) of the last attempt */
	void *state;		 /* the client's own */
};

void aws_call_init(struct aws_call *c, enum aws_service service, const char *operation);
void aws_call_done(struct aws_call *c); /* frees the result */

struct aws_options {
	const struct aws_config *config; /* borrowed */
	struct net *net;		 /* borrowed */
	int64_t keys_again_us;		 /* as for aws_credential_cache_new() */
};
int aws_new(const struct aws_options *o, struct aws **ret, struct err *reterr) MUSTCHECK;
void aws_free(struct aws *a); /* call it after net_stop(), or if no call is under way */
const struct aws_config *aws_config_of(const struct aws *a);

/* Append the counts of attempts in Prometheus' format (base/exposition.h). For any thread. */
void aws_figures(const struct aws *a, struct buf *out);

/* For any thread; does not block. `done` runs exactly once, also if the call cannot be sent. */
void aws_send(struct aws *a, struct aws_call *c);
/* Send and wait; not on the net thread. Returns c->result. */
int aws_wait(struct aws *a, struct aws_call *c, struct err *reterr) MUSTCHECK;
/* Cancel the call; `done` still runs. For any thread, does not block. */
void aws_cancel(struct aws *a, struct aws_call *c);
