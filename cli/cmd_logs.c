/* SPDX-License-Identifier: MIT */
/*
 * Output of jobs: log, metrics, events, files.
 */
#include "base/own.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/show.h"
#include "cli/terminal.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#define RETRIES_MAX    120 /* reconnections in a row with --follow, one a second */
#define METRIC_COLUMNS 8
#define FOLLOW_WAIT_S  "25"

/* A stream to stdout or to a file. The byte count lets it resume. */
struct sink {
	FILE *file; /* NULL: stdout */
	int64_t bytes;
};

static bool sink_write(void *userdata, const char *data, size_t len)
{
	struct sink *s = userdata;

	s->bytes += (int64_t)len;
	if (!s->file)
		return terminal_copy(data, len) == 0;
	return fwrite(data, 1, len, s->file) == len && fflush(s->file) == 0;
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
}

/* If sink_write() cancelled the stream, return the error of the write instead. */
static int sink_error(int r, const char *name, struct err *reterr)
{
	if (r == -ERR_CANCELLED)
		return err_errno(reterr, errno, "write %s", name);
	return r;
}

int cmd_logs(struct cli *c)
{
	const char *tail = cli_get(c, "tail");
	bool follow = cli_get(c, "follow");
	struct sink out = {0};
	int retries = 0;
	struct request_path p;
	char id[ID_LEN], offset[24];
	struct err e;
	int r = client_resolve(c, c->args[0], id, NULL, &e);

	while (r >= 0) {
		snprintf(offset, sizeof(offset), "%lld", (long long)out.bytes);
		request_path(&p, "/v1/jobs/%s/logs", id);
		request_path_param(&p, "tail", tail);
		request_path_param(&p, "offset", tail ? NULL : offset);
		request_path_param(&p, "follow", follow ? "1" : NULL);
		request_path_param(&p, "attempt", cli_get(c, "attempt"));
		r = client_stream(c, &p, sink_write, &out, &e);
		if (r >= 0 || !follow || tail || !client_may_retry(r) || retries++ == RETRIES_MAX)
			break;
		nap();
		r = 0;
	}
	return r < 0 ? (sink_error(r, "the output", &e), cli_fail(c, &e)) : CLI_OK;
}

/* The names of the values, in the order of their first appearance. */
static size_t metric_names(const json_t *items, const char *names[METRIC_COLUMNS])
{
	const json_t *item;
	const char *key;
	json_t *value;
	size_t i, k, n = 0;

	json_array_foreach(items, i, item) {
		json_object_foreach(json_object_get(item, "values"), key, value) {
			for (k = 0; k < n && !str_eq(names[k], key); k++)
				;
			if (k == n && n < METRIC_COLUMNS)
				names[n++] = key;
		}
	}
	return n;
}

int cmd_metrics(struct cli *c)
{
	struct show_column columns[METRIC_COLUMNS + 3] = {{"STEP", "step"}, {"EPOCH", "epoch"}};
	char keys[METRIC_COLUMNS][SHOW_KEY_MAX];
	const char *names[METRIC_COLUMNS];
	OWN(json_decrefp) json_t *answer = NULL;
	struct request_path p;
	char id[ID_LEN];
	struct err e;
	size_t n;
	int r = client_resolve(c, c->args[0], id, NULL, &e);

	request_path(&p, "/v1/jobs/%s/metrics", id);
	request_path_param(&p, "name", cli_get(c, "name"));
	request_path_param(&p, "attempt", cli_get(c, "attempt"));
	if (r >= 0)
		r = client_show(c, &p, &answer, &e);
	if (r <= 0)
		return r < 0 ? cli_fail(c, &e) : CLI_OK;
	n = metric_names(json_object_get(answer, "items"), names);
	for (size_t i = 0; i < n; i++) {
		str_must_format(keys[i], sizeof(keys[i]), "values.%s", names[i]);
		columns[2 + i] = (struct show_column){names[i], keys[i]};
	}
	show_table(json_object_get(answer, "items"), columns, "The job has no metrics yet.");
	return CLI_OK;
}

static void print_event(const struct cli *c, const json_t *event)
{
	static const struct show_column at = {"", "at", SHOW_TIME};
	static const struct show_column reason = {"", "reason", SHOW_REASON};
	static const char *const shown[] = {"from", "to", "detail", "message", "endpoint", NULL};
	char when[SHOW_CELL_MAX], cause[SHOW_CELL_MAX], cell[SHOW_CELL_MAX];

	if (c->json) {
		OWN(freep) char *text = json_text(event);

		puts(text ? text : "");
		return;
	}
	show_cell(when, event, &at);
	printf("%6lld  %s  %-16s %s", (long long)json_get_int(event, "seq", 0), when,
	       json_get_str(event, "kind", ""),
	       json_get_str(event, "job", json_get_str(event, "run", "")));
	for (size_t i = 0; shown[i]; i++) {
		struct show_column column = {"", shown[i]};

		show_cell(cell, event, &column);
		if (!str_eq(cell, "-"))
			printf("  %s=%s", shown[i], cell);
	}
	show_cell(cause, event, &reason);
	printf("%s%s\n", str_eq(cause, "-") ? "" : "  ", str_eq(cause, "-") ? "" : cause);
}

/* Print one page of events after *since and advance *since. 1: more may be available now. */
static int events_page(struct cli *c, int64_t *since, bool wait, struct err *reterr)
{
	OWN(json_decrefp) json_t *answer = NULL;
	const json_t *event;
	struct request_path p;
	char text[24];
	size_t i;
	int r;

	snprintf(text, sizeof(text), "%lld", (long long)*since);
	request_path(&p, "/v1/events");
	request_path_param(&p, "since", text);
	request_path_param(&p, "run", cli_get(c, "run"));
	request_path_param(&p, "job", cli_get(c, "job"));
	request_path_param(&p, "kind", cli_get(c, "kind"));
	request_path_param(&p, "wait", wait ? FOLLOW_WAIT_S : NULL);
	r = client_request(c, "GET", &p, NULL, &answer, reterr);
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(answer, "items"), i, event)
		print_event(c, event);
	fflush(stdout);
	*since = json_get_int(answer, "next_since", *since);
	return i > 0;
}

int cmd_events(struct cli *c)
{
	bool follow = cli_get(c, "follow");
	int64_t since = 0;
	int retries = 0, r = 1;
	struct err e;

	if (cli_get(c, "since") && str_to_i64(cli_get(c, "since"), &since) < 0) {
		err_set(&e, ERR_INVALID, "--since needs a number, not '%s'", cli_get(c, "since"));
		return cli_fail(c, &e);
	}
	while (r > 0 || (follow && r == 0)) {
		r = events_page(c, &since, follow, &e);
		if (r >= 0) {
			retries = 0;
		} else if (follow && client_may_retry(r) && since > 0 && retries++ < RETRIES_MAX) {
			nap();
			r = 0;
		}
	}
	return r < 0 ? cli_fail(c, &e) : CLI_OK;
}

static int artifact_get(struct cli *c, struct request_path *p, const char *path, struct err *reterr)
{
	const char *name = cli_get(c, "output");
	const char *base = strrchr(path, '/');
	OWN(fclosep) FILE *file = NULL;
	struct sink out = {0};
	int r;

	if (!name)
		name = base ? base + 1 : path;
	for (const char *part = path; part; part = strchr(part, '/')) {
		char one[NAME_MAX + 1];

		part += *part == '/';
		if (!str_format(one, sizeof(one), "%.*s", (int)strcspn(part, "/"), part))
			return err_set(reterr, ERR_INVALID,
				       "'%.64s…' is not the path of an artifact: a name has at "
				       "most %d bytes",
				       part, NAME_MAX);
		request_path_segment(p, one);
	}
	request_path_param(p, "attempt", cli_get(c, "attempt"));
	if (!str_eq(name, "-")) {
		out.file = file = fopen(name, "wbe");
		if (!file)
			return err_errno(reterr, errno, "open %s", name);
	}
	r = sink_error(client_stream(c, p, sink_write, &out, reterr), name, reterr);
	if (r < 0 && file)
		unlink(name);
	return r;
}

int cmd_artifacts(struct cli *c)
{
	static const struct show_column columns[] = {
		{"PATH", "path"}, {"SIZE", "size", SHOW_BYTES}, {NULL}};
	static const struct show_column in_s3[] = {
		{"URI", "uri"}, {"SIZE", "size", SHOW_BYTES}, {NULL}};
	const json_t *items;
	OWN(json_decrefp) json_t *answer = NULL;
	struct request_path p;
	char id[ID_LEN];
	struct err e;
	int r = client_resolve(c, c->args[0], id, NULL, &e);

	request_path(&p, "/v1/jobs/%s/artifacts", id);
	if (r >= 0 && c->args_n > 1) {
		if (!str_eq(c->args[1], "get") || c->args_n != 3)
			r = err_set(&e, ERR_INVALID,
				    "use 'artifacts ID' or 'artifacts ID get PATH'");
		else
			r = artifact_get(c, &p, c->args[2], &e);
		return r < 0 ? cli_fail(c, &e) : CLI_OK;
	}
	request_path_param(&p, "attempt", cli_get(c, "attempt"));
	if (r >= 0)
		r = client_show(c, &p, &answer, &e);
	if (r <= 0)
		return r < 0 ? cli_fail(c, &e) : CLI_OK;
	items = json_object_get(answer, "items");
	show_table(items, json_object_get(json_array_get(items, 0), "uri") ? in_s3 : columns,
		   "The job has no files yet.");
	return CLI_OK;
}
