/* SPDX-License-Identifier: MIT */
/*
 * Shared by the files of storage/read/: the connection, pages of lists (filter, order, cursor) as
 * SQL, and parts of answers. No other folder includes this.
 */
#pragma once

#include "base/buf.h"
#include "storage/answer.h"
#include "storage/db.h"
#include "storage/store_read.h"

#include <stddef.h>

#define READ_GENERATION_MAX 32
#define READ_ARGS_MAX	    24
#define READ_SQL_MAX	    8192
#define READ_CURSOR_MAX	    96

struct store_reader {
	struct db *db;
	char generation[READ_GENERATION_MAX + 1];
};

/* One page of a list. The caller supplies "SELECT … FROM …"; the page adds the rest. The last two
 * columns of each list are the sort key and then `n`. */
struct page {
	const struct list_filter *f;
	const char *alias; /* alias of the table: "j" */
	bool descending;
	const char *metric; /* the metric that sorts the list, borrowed; NULL: created_us */
	int limit;
	bool has_cursor;
	int64_t after_n, after_us; /* position from the cursor */
	double after_value;
	struct buf sql;
	bool has_where;
	struct db_val args[READ_ARGS_MAX];
	size_t args_n;
	int items_n;  /* of the page, so far */
	size_t specs; /* bytes of their specs */
	uint64_t key; /* the last item's place in the order */
	int64_t n;
};

/* Check limit, sort and cursor. `metrics`: True if a metric may sort the list. */
int page_init(struct page *p, struct store_reader *sr, const struct list_filter *f,
	      const char *alias, bool metrics, struct err *reterr) MUSTCHECK;
void page_done(struct page *p);
void page_sql(struct page *p, const char *text);
void page_arg(struct page *p, struct db_val v);
/* Append the filters that all lists have: created, and name, run, target if the table has these
 * columns. */
void page_where_common(struct page *p, bool has_run, bool has_target);
/* Append the tag filter, for a table with a column `tags`. */
void page_where_tag(struct page *p);
/* Append "state IN (…)" for the bits that are set; column is "state" or "kind". */
void page_where_bits(struct page *p, const char *column, uint32_t bits, int n,
		     const char *(*name)(int i));
/* Append the cursor's condition, ORDER BY and LIMIT to the query, then run it. `item` appends each
 * row to *out, and the page appends what is around the items. */
int page_read(struct page *p, struct store_reader *sr,
	      int (*item)(struct db_stmt *q, const struct list_filter *f, struct buf *out,
			  struct err *reterr),
	      int key_col, struct buf *out, struct err *reterr) MUSTCHECK;

/* {"code","message"} from two text columns, or null. New reference. */
json_t *col_reason_json(struct db_stmt *q, int col);
json_t *col_time(struct db_stmt *q, int col);	    /* null for 0; new reference */
json_t *col_id_or_null(struct db_stmt *q, int col); /* new reference */
/* Set `key` to the parsed JSON of a column. A NULL column sets nothing. */
int set_col_json(json_t *obj, const char *key, struct db_stmt *q, int col,
		 struct err *reterr) MUSTCHECK;
int out_of_memory(struct err *reterr);
/* 0 means `fallback`; any other limit must be in 1 … max. -ERR_INVALID otherwise. */
int check_limit(int limit, int fallback, int max, int *ret, struct err *reterr) MUSTCHECK;

/* Set "sagemaker" and "cost" of a job (endpoint is NULL) or of an endpoint (job is NULL). */
int add_sagemaker(json_t *to, struct store_reader *sr, const char *job, const char *endpoint,
		  struct err *reterr) MUSTCHECK;

/* A column: the warnings of the given attempts of a job as a JSON list; NULL if there are none.
 * Attempt 0 holds the warnings of the submit. Most jobs have none, and the list costs a table in
 * memory: EXISTS spares it. */
#define WARNINGS_OF(job, attempts)                                                                \
	"(CASE WHEN EXISTS (SELECT 1 FROM warnings WHERE job = " job ") THEN "                    \
	"(SELECT nullif(json_group_array(json_patch('{}', json_object('code', w.code, "           \
	"'pointer', w.pointer, 'detail', w.detail, 'count', w.count))), '[]') FROM "              \
	"(SELECT * FROM warnings WHERE job = " job " AND attempt IN " attempts " ORDER BY n) w) " \
	"END) "

/* The columns of struct job_answer, and of "queued_at". */
#define JOB_COLUMNS                                                                              \
	"j.id, j.run, j.name, j.kind, j.target, j.state, j.reason_code, j.reason_message, "      \
	"j.attempt, j.priority, j.tags, j.created_us, j.started_us, j.finished_us, a.progress, " \
	"j.outputs, j.seq, j.held, j.cancel_requested_us, j.queued_us, " WARNINGS_OF(            \
		"j.id", "(0, j.attempt)") ", (SELECT r.pruned_us FROM runs r WHERE r.id = j.run) "
#define JOB_COLUMNS_N 22
#define JOB_FROM      "FROM jobs j LEFT JOIN attempts a ON a.job = j.id AND a.number = j.attempt "
/* Append a row as answer_job() does. */
int job_row_put(struct db_stmt *q, enum job_form form, struct buf *out,
		struct err *reterr) MUSTCHECK;
/* Parse the text of an object whose last brace is still missing. */
int answer_parse(struct buf *text, json_t **ret, struct err *reterr) MUSTCHECK;
