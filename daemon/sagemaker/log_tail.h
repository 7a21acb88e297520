/* SPDX-License-Identifier: MIT */
/*
 * The positions in the logs that this process reads, one for each row of a training job. What must
 * survive a restart is in the rows of the streams. sagemaker/log.c reads and moves them. Manager's
 * thread.
 */
#pragma once

#include "daemon/sagemaker/controller.h"
#include "daemon/sagemaker/metrics.h"

/* The position in one row's log, for this process. */
struct sagemaker_tail {
	char row[ID_LEN];
	char job[ID_LEN];
	char stream[LOG_STREAM_MAX + 1]; /* the stream being read; "": the list of streams */
	/* monotonic times: */
	int64_t next_us;    /* of the next round */
	int64_t round_us;   /* start of this round */
	int64_t clean_us;   /* start of the last round without new lines */
	int64_t over_us;    /* when this process first found the training job over; 0: it runs */
	int64_t skipped;    /* events skipped in a stream that is read from its beginning again */
	bool news, blocked; /* state of this round */
	bool warned;
	bool searched; /* a page is with the search thread */
	struct sagemaker_metrics
		*metrics; /* NULL: nothing was read yet, or with that page; owned */
	struct sagemaker_tail *next;
};

/* The row's position; NULL if nothing was read yet. */
struct sagemaker_tail *sagemaker_tail_known(struct manager *mgr, const char *row);
/* As above, but created if there is none. NULL if memory is out. */
struct sagemaker_tail *sagemaker_tail_find(struct manager *mgr, const struct resource_row *row);
