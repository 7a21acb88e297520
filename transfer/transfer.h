/* SPDX-License-Identifier: MIT */
/*
 * trainyard-transfer: the items of spec.json's "fetch" and "push" lists (wire/transfer.h), one
 * after the other; each item's parts go in parallel on the one net thread. main.c opens a session,
 * each source (s3, url, hub) has one function; everything here runs on the main thread unless said.
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

#define TRANSFER_DOWNLOAD_MAX (INT64_C(64) << 30) /* without "max_download" in spec.json */
#define TRANSFER_UNPACKED_MAX (INT64_C(256) << 30)
#define TRANSFER_RATIO_MAX    200
#define TRANSFER_RATIO_FROM   (INT64_C(64) << 20) /* unpacked bytes that any archive may have */

/* Of what others send; see local.max_download and its neighbours. */
struct transfer_limits {
	int64_t download; /* bytes of one item: a url's body, an archive, all files of a tree */
	int64_t unpacked; /* bytes of an archive's members, holes included */
	int64_t ratio;	  /* unpacked bytes for each packed one */
	bool private_urls;
};

struct transfer {
	const char *dir, *work; /* absolute: execution directory, its work/ */
	int dirfd, work_dirfd;
	const json_t *message; /* all of spec.json */
	struct report *report;
	const volatile sig_atomic_t *stop; /* not 0: finish soon with -ERR_CANCELLED */
	struct net *net;
	struct cache *cache;	       /* of a fetch */
	struct aws_config *aws_config; /* likewise */
	struct aws *aws;	       /* NULL when no entry is about S3 */
	struct transfer_limits limits;
	const char *phase; /* of progress: "fetch", "push" */
	/* bytes: of all items known so far; net and main thread add (atomic) */
	int64_t done_bytes, total_bytes;
	/* A failure's own code (jobs/reason.h); static; NULL: the code of the error. */
	const char *failure_code;
};

/* One entry of "fetch"; texts borrowed from the message, NULL when absent. */
struct fetch_item {
	const char *pointer, *from, *to;
	enum transfer_form form;
	const char *sha256;				    /* of a URL's bytes */
	const char *config, *revision, *split, *test_split; /* of the hub */
	const json_t *members;				    /* of a peek */
	const json_t *exclude; /* with "to": patterns of what is left out */
	char into[PATH_MAX];   /* absolute, does not exist, its parent does: where the thing out of
				* the cache is to appear (work/inputs/N); with "to": that */
};

/* Each: the thing is there when it returns 0; *ret_value is a new reference, the value of the
 * pointer. Fill t->failure_code where the failure has one. Blocking; look at *t->stop at least
 * twice a second. */
int fetch_s3(struct transfer *t, struct fetch_item *it, json_t **ret_value,
	     struct err *reterr) MUSTCHECK;
int fetch_url(struct transfer *t, struct fetch_item *it, json_t **ret_value,
	      struct err *reterr) MUSTCHECK; /* "http://", "https://" */
int fetch_hub(struct transfer *t, struct fetch_item *it, json_t **ret_value,
	      struct err *reterr) MUSTCHECK; /* "hub:" */

/* Any thread: so many more bytes are to come / have come; at most one progress line a second. */
void transfer_expect(struct transfer *t, int64_t bytes);
void transfer_moved(struct transfer *t, int64_t bytes);
/* Add the size of one more file of an item, `what`, to the *sum that was announced so far.
 * -ERR_LIMIT: together they are more than limits.download. */
int transfer_add_size(struct transfer *t, const char *what, int64_t size, int64_t *sum,
		      struct err *reterr) MUSTCHECK;
/* -ENOSPC: `bytes` that are still to come are more than what is free where the directory lies. */
int transfer_check_room(struct transfer *t, const char *dir, const char *what, int64_t bytes,
			struct err *reterr) MUSTCHECK;
/* -ERR_CANCELLED after SIGTERM, else 0. */
int transfer_stopped(const struct transfer *t, struct err *reterr) MUSTCHECK;
