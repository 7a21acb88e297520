/* SPDX-License-Identifier: MIT */
/*
 * trainyard-transfer: carries out the lists "fetch" and "push" of spec.json (wire/transfer.h), one
 * item after the other. The parts of an item move in parallel on the one net thread. main.c opens
 * the session; each source (s3, url, hub) has one function. Everything here runs on the main
 * thread, unless stated otherwise.
 */
#pragma once

#include "aws/client.h"
#include "base/err.h"
#include "base/json.h"
#include "net/net.h"
#include "transfer/cache.h"
#include "worker/report.h"

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

enum transfer_form {
	FORM_FILE,
	FORM_TREE,
	FORM_TAR_GZ,
	FORM_PEEK,
};

#define TRANSFER_DOWNLOAD_MAX (INT64_C(64) << 30) /* if spec.json has no "max_download" */
#define TRANSFER_UNPACKED_MAX (INT64_C(256) << 30)
#define TRANSFER_RATIO_MAX    200
#define TRANSFER_RATIO_FROM   (INT64_C(64) << 20) /* fewer unpacked bytes are not checked */

/* Limits of received data: see local.max_download and the keys next to it. */
struct transfer_limits {
	int64_t download; /* bytes of one item: a URL's body, an archive, or all files of a tree */
	int64_t unpacked; /* bytes of an archive's members, holes included */
	int64_t ratio;	  /* unpacked bytes per packed byte */
	bool private_urls;
};

struct transfer {
	const char *dir, *work; /* absolute paths of the execution's directory and its work/ */
	int dirfd, work_dirfd;
	const json_t *message; /* the whole spec.json */
	struct report *report;
	const volatile sig_atomic_t *stop; /* if not 0: finish soon with -ERR_CANCELLED */
	struct net *net;
	struct cache *cache;	       /* of a fetch */
	struct aws_config *aws_config; /* of a fetch */
	struct aws *aws;	       /* NULL: no entry needs S3 */
	struct transfer_limits limits;
	const char *phase; /* of progress: "fetch" or "push" */
	/* Bytes of all items known so far. The net thread and the main thread add (atomic). */
	int64_t done_bytes, total_bytes;
	/* The failure's own code (jobs/reason.h), static. NULL: the code of the error. */
	const char *failure_code;
};

/* One entry of "fetch". Texts are borrowed from the message; NULL: absent. */
struct fetch_item {
	const char *pointer, *from, *to;
	enum transfer_form form;
	const char *sha256;				    /* expected SHA-256 of a URL's bytes */
	const char *config, *revision, *split, *test_split; /* of the hub */
	const json_t *members;				    /* of a peek */
	const json_t *exclude; /* with "to": patterns of the files to leave out */
	char into[PATH_MAX];   /* absolute; does not exist, its parent does. The fetched content
				  appears there: work/inputs/N, or "to" */
};

/* Each function puts the content in place before it returns 0. *ret_value is a new reference, the
 * value of the item's pointer. If the failure has a code of its own, it is in t->failure_code.
 * Blocking; each checks *t->stop at least twice a second. */
int fetch_s3(struct transfer *t, struct fetch_item *it, json_t **ret_value,
	     struct err *reterr) MUSTCHECK;
int fetch_url(struct transfer *t, struct fetch_item *it, json_t **ret_value,
	      struct err *reterr) MUSTCHECK; /* "http://", "https://" */
int fetch_hub(struct transfer *t, struct fetch_item *it, json_t **ret_value,
	      struct err *reterr) MUSTCHECK; /* "hub:" */

/* For any thread: add bytes that are to come, or that have come. Reports progress at most once a
 * second. */
void transfer_expect(struct transfer *t, int64_t bytes);
void transfer_moved(struct transfer *t, int64_t bytes);
/* Add `size`, one more file of the item `what`, to *sum. -ERR_LIMIT: *sum passes
 * limits.download. */
int transfer_add_size(struct transfer *t, const char *what, int64_t size, int64_t *sum,
		      struct err *reterr) MUSTCHECK;
/* Check that the file system of `dir` has `bytes` free. -ENOSPC: it has not. */
int transfer_check_room(struct transfer *t, const char *dir, const char *what, int64_t bytes,
			struct err *reterr) MUSTCHECK;
/* -ERR_CANCELLED after SIGTERM, else 0. */
int transfer_stopped(const struct transfer *t, struct err *reterr) MUSTCHECK;
