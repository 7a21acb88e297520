/* SPDX-License-Identifier: MIT */
/* CloudWatch logs of a training job of the account (botocore's logs/2014-03-28/service-2.json).
 * Threads of the account service. */
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/account/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOG_GROUP "/aws/sagemaker/TrainingJobs"

/* Turn "not found" into an empty log: the group and the streams are created with the first line. */
static int none_yet(struct account_turn *t, int r)
{
	if (r >= 0 || t->kind != AWS_ERROR_NOT_FOUND)
		return r;
	t->q->failure = ACCOUNT_OURS;
	return t->q->result = 0;
}

/* Find the job's streams, one for each instance. */
static int find_streams(struct account_turn *t, json_t *streams)
{
	OWN(json_decrefp)
	json_t *input = json_pack("{ss si}", "logGroupName", LOG_GROUP, "limit", 50);
	const char *next = "";
	int r = 0;

	json_object_set_new(input, "logStreamNamePrefix", json_sprintf("%s/", t->q->name));
	while (next && json_array_size(streams) < ACCOUNT_STREAMS_MAX) {
		OWN(json_decrefp) json_t *page = NULL;
		const json_t *list;

		r = account_call(t, AWS_LOGS, "DescribeLogStreams", json_copy(input), &page);
		if (r < 0)
			return none_yet(t, r);
		list = account_items(page, "logStreams");
		for (size_t i = 0; i < json_array_size(list); i++) {
			const char *name =
				json_get_str(json_array_get(list, i), "logStreamName", NULL);

			if (name && json_array_size(streams) < ACCOUNT_STREAMS_MAX)
				json_array_append_new(streams, json_string(name));
		}
		next = json_get_str(page, "nextToken", NULL);
		if (next)
			json_object_set_new(input, "nextToken", json_string(next));
	}
	return r;
}

/* "NAME/algo-1-1700000000" → "algo-1-1700000000". */
static const char *short_name(const struct account_turn *t, const char *stream)
{
	return str_starts(stream, t->q->name) && stream[strlen(t->q->name)] == '/'
		       ? stream + strlen(t->q->name) + 1
		       : stream;
}

static json_t *line_of(const struct account_turn *t, const json_t *event, const char *stream)
{
	int64_t ms = json_get_int(event, "timestamp", 0);
	char at[CLOCK_TEXT_LEN];

	return json_pack("{ss ss ss}", "at", clock_format(at, ms * USEC_PER_MSEC), "stream",
			 short_name(t, stream), "message", json_get_str(event, "message", ""));
}

/* Approximate size of a line. */
static size_t weight(const json_t *line)
{
	return json_string_length(json_object_get(line, "message")) + 64;
}

/* Read all streams, merged, from the beginning or from the cursor. */
static int read_on(struct account_turn *t, const json_t *streams, json_t *items,
		   json_t **ret_cursor)
{
	OWN(json_decrefp)
	json_t *input = json_pack("{ss sO sb}", "logGroupName", LOG_GROUP, "logStreamNames",
				  streams, "interleaved", true);
	const char *next = t->q->cursor;
	size_t bytes = 0;
	int r = 0;

	do {
		OWN(json_decrefp) json_t *page = NULL;
		const json_t *events;

		if (next)
			json_object_set_new(input, "nextToken", json_string(next));
		json_object_set_new(input, "limit",
				    json_integer(t->q->limit - (int64_t)json_array_size(items)));
		r = account_call(t, AWS_LOGS, "FilterLogEvents", json_copy(input), &page);
		if (r < 0)
			return r;
		events = account_items(page, "events");
		for (size_t i = 0; i < json_array_size(events); i++) {
			const json_t *event = json_array_get(events, i);

			json_t *line = line_of(t, event, json_get_str(event, "logStreamName", ""));

			bytes += weight(line);
			json_array_append_new(items, line);
		}
		json_decref(*ret_cursor);
		*ret_cursor = account_text(page, "nextToken");
		next = json_string_value(*ret_cursor);
	} while (next && (int64_t)json_array_size(items) < t->q->limit &&
		 bytes < ACCOUNT_LOG_BYTES_MAX && clock_mono_us() < t->until_us);
	return r;
}

/* Read the newest lines of one stream, newest page first, and insert each page before `lines`. */
static int read_tail(struct account_turn *t, const char *stream, json_t *lines)
{
	OWN(json_decrefp)
	json_t *input = json_pack("{ss ss sb sI}", "logGroupName", LOG_GROUP, "logStreamName",
				  stream, "startFromHead", false, "limit", (json_int_t)t->q->tail);
	OWN(freep) char *token = NULL;
	size_t bytes = 0;
	int r = 0;

	while ((int64_t)json_array_size(lines) < t->q->tail && bytes < ACCOUNT_LOG_BYTES_MAX &&
	       clock_mono_us() < t->until_us) {
		OWN(json_decrefp) json_t *page = NULL;
		const json_t *events;
		const char *next;

		r = account_call(t, AWS_LOGS, "GetLogEvents", json_copy(input), &page);
		if (r < 0)
			return none_yet(t, r);
		events = account_items(page, "events");
		for (size_t i = json_array_size(events); i-- > 0;) {
			json_t *line = line_of(t, json_array_get(events, i), stream);

			bytes += weight(line);
			json_array_insert_new(lines, 0, line);
		}
		next = json_get_str(page, "nextBackwardToken", NULL);
		if (!next || (token && str_eq(next, token)))
			break; /* the same token twice: the beginning of the stream */
		free(token);
		token = strdup(next);
		json_object_set_new(input, "nextToken", json_string(next));
	}
	return r;
}

struct placed {
	json_t *line;
	size_t place; /* keeps the order of lines with the same time */
};

static int by_time(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	int r = strcmp(json_get_str(x->line, "at", ""), json_get_str(y->line, "at", ""));

	return r ? r : x->place < y->place ? -1 : x->place > y->place;
}

/* Merge the lines of one more stream and keep the newest, oldest first. */
static int merge(json_t *items, json_t *lines, int64_t tail)
{
	struct placed *order;
	size_t n, from, bytes = 0;

	json_array_extend(items, lines);
	n = from = json_array_size(items);
	order = calloc(n + 1, sizeof(*order));
	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		order[i] = (struct placed){json_incref(json_array_get(items, i)), i};
	qsort(order, n, sizeof(*order), by_time);
	while (from > 0 && n - from < (size_t)tail && bytes < ACCOUNT_LOG_BYTES_MAX)
		bytes += weight(order[--from].line);
	json_array_clear(items);
	for (size_t i = 0; i < n; i++)
		i < from ? json_decref(order[i].line)
			 : (void)json_array_append_new(items, order[i].line);
	free(order);
	return 0;
}

static int read_tails(struct account_turn *t, const json_t *streams, json_t *items)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < json_array_size(streams); i++) {
		OWN(json_decrefp) json_t *lines = json_array();

		r = read_tail(t, json_string_value(json_array_get(streams, i)), lines);
		if (r >= 0 && merge(items, lines, t->q->tail) < 0)
			r = t->q->result = err_errno(&t->q->err, ENOMEM, "sort the lines");
	}
	return r;
}

static json_t *short_names(const struct account_turn *t, const json_t *streams)
{
	json_t *out = json_array();

	for (size_t i = 0; i < json_array_size(streams); i++)
		json_array_append_new(
			out,
			json_string(short_name(t, json_string_value(json_array_get(streams, i)))));
	return out;
}

int account_job_logs(struct account_turn *t)
{
	OWN(json_decrefp) json_t *raw = NULL, *streams = json_array(), *items = json_array();
	json_t *cursor = json_null();
	int r = account_describe(t, &raw);

	if (r >= 0)
		r = find_streams(t, streams);
	if (r >= 0 && json_array_size(streams))
		r = t->q->tail ? read_tails(t, streams, items)
			       : none_yet(t, read_on(t, streams, items, &cursor));
	if (r < 0) {
		json_decref(cursor);
		return r;
	}
	t->q->json = json_pack("{ss so so sO so}", "name", t->q->name, "status",
			       account_text(raw, "TrainingJobStatus"), "streams",
			       short_names(t, streams), "items", items, "next_cursor", cursor);
	return 0;
}
