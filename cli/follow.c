/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the end of a run or job. GET reads the state each time. A long poll on the events
 * only triggers the next GET, so a restart of the daemon loses nothing.
 */
#include "cli/follow.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/show.h"
#include "cli/terminal.h"
#include "jobs/state.h"

#include <string.h>
#include <time.h>

#define CLEAR_LINE     "\033[2K"
#define POLL_WAIT_S    "5"
#define RETRY_DELAY_MS 500
#define LINES_MAX      256 /* jobs of a run */
#define BAR_WIDTH      24
#define NAME_WIDTH     16 /* columns of a job's name and of its state */
#define STATE_WIDTH    10
#define LEFT_MIN       20
#define QUIET_STEP     0.25 /* without a terminal: a line for each quarter */

struct follow {
	struct cli *c;
	const char *id;
	bool is_run;
	bool terminal;		     /* True if stderr is a terminal: redraw in place */
	bool reached;		     /* True if the daemon has answered at least once */
	bool unreachable;	     /* True if a message says that it is unreachable */
	int drawn;		     /* lines to move up before the next drawing */
	int64_t since;		     /* last event that was seen */
	char printed[LINES_MAX][64]; /* without a terminal: last printed state of each job */
	double printed_part[LINES_MAX];
	int64_t attempt[LINES_MAX];
	size_t warned[LINES_MAX]; /* printed warnings of each job: of the submit and of the attempt
				   */
};

static void nap_ms(int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000L};

	nanosleep(&t, NULL);
}

static double part_of(const json_t *job)
{
	const json_t *progress = json_object_get(job, "progress");
	double total = json_get_num(progress, "total", 0);

	if (!str_eq(json_get_str(job, "state", ""), "running"))
		return -1;
	return total > 0 ? json_get_num(progress, "done", 0) / total : -1;
}

/* SageMaker's status of a job that runs there; "": another job. */
static const char *sagemaker_status(const json_t *job)
{
	const json_t *there = json_object_get(job, "sagemaker");

	if (!str_eq(json_get_str(job, "state", ""), "running"))
		return "";
	return json_get_str(there, "secondary_status", json_get_str(there, "status", ""));
}

/* Write what to print after a job's name and state, in `columns` columns (0: any). */
static void describe(char *out, size_t size, const json_t *job, int columns)
{
	static const struct show_column took = {"", "started_at", SHOW_TOOK};
	const struct show_column reason = {"", "reason", SHOW_REASON, columns};
	const json_t *progress = json_object_get(job, "progress");
	const char *state = json_get_str(job, "state", "");
	char bar[BAR_WIDTH + 3], left[24], cell[SHOW_CELL_MAX];
	double part = part_of(job), eta_s = json_get_num(progress, "eta_seconds", -1);

	out[0] = '\0';
	if (str_eq(state, "running") && part >= 0) {
		str_excerptf(out, size, "%s %3d%%  %.3g %s/s%s%s%s", show_bar(bar, BAR_WIDTH, part),
			     (int)(100 * part), json_get_num(progress, "rate", 0),
			     json_get_str(progress, "unit", ""), eta_s >= 0 ? "  " : "",
			     eta_s >= 0 ? show_duration(left, (int64_t)(eta_s * 1e6)) : "",
			     eta_s >= 0 ? " left" : "");
		return;
	}
	if (sagemaker_status(job)[0]) {
		str_excerptf(out, size, "SageMaker: %s", sagemaker_status(job));
		return;
	}
	show_cell(cell, job,
		  str_eq(state, "succeeded") || str_eq(state, "running") ? &took : &reason);
	if (!str_eq(cell, "-"))
		str_excerptf(out, size, "%s", cell);
}

static size_t count_of_submit(const json_t *warnings)
{
	const json_t *warning;
	size_t i, n = 0;

	json_array_foreach(warnings, i, warning)
		n += str_eq(json_get_str(warning, "code", ""), "spec");
	return n;
}

/* Print the new warnings of each job, each of them once. */
static void say_warnings(struct follow *f, const json_t *jobs)
{
	const json_t *job;
	size_t i;

	json_array_foreach(jobs, i, job) {
		OWN(json_decrefp) json_t *fresh = json_array();
		const json_t *all = json_object_get(job, "warnings");

		if (i >= LINES_MAX)
			return;
		if (f->attempt[i] !=
		    json_get_int(job, "attempt", 0)) { /* warnings of the submit stay */
			f->attempt[i] = json_get_int(job, "attempt", 0);
			f->warned[i] = f->warned[i] ? count_of_submit(all) : 0;
		}
		for (; f->warned[i] < json_array_size(all); f->warned[i]++)
			json_array_append(fresh, json_array_get(all, f->warned[i]));
		if (f->terminal && json_array_size(fresh))
			terminal_command(CLEAR_LINE);
		show_warnings(stderr, "warning: ", json_get_str(job, "name", ""), fresh);
	}
}

static void draw(struct follow *f, const json_t *jobs)
{
	char about[SHOW_CELL_MAX];
	int left = show_width(stderr) - NAME_WIDTH - STATE_WIDTH - 2;
	const json_t *job;
	size_t i;

	if (f->drawn) {
		snprintf(about, sizeof(about), "\033[%dA", f->drawn);
		terminal_command(about);
	}
	say_warnings(f, jobs);
	json_array_foreach(jobs, i, job) {
		describe(about, sizeof(about), job, left > LEFT_MIN ? left : LEFT_MIN);
		terminal_command(CLEAR_LINE);
		fprintf(stderr, "%-*.*s %-*s %s\n", NAME_WIDTH, NAME_WIDTH,
			json_get_str(job, "name", ""), STATE_WIDTH, json_get_str(job, "state", ""),
			about);
	}
	f->drawn = (int)json_array_size(jobs);
}

/* Print a line for each change of state and each step of progress, if there is no terminal. */
static void say_changes(struct follow *f, const json_t *jobs)
{
	char about[SHOW_CELL_MAX];
	const json_t *job;
	size_t i;

	say_warnings(f, jobs);
	json_array_foreach(jobs, i, job) {
		const char *state = json_get_str(job, "state", "");
		double part = part_of(job);
		char key[sizeof(f->printed[0])];

		if (i >= LINES_MAX)
			return;
		str_excerptf(key, sizeof(key), "%s %s", state, sagemaker_status(job));
		if (str_eq(f->printed[i], key) && part < f->printed_part[i] + QUIET_STEP)
			continue;
		f->printed_part[i] = str_eq(f->printed[i], key) && part > 0 ? part : 0;
		str_assign(f->printed[i], key);
		describe(about, sizeof(about), job, 0);
		fprintf(stderr, "%-16s %-10s %s\n", json_get_str(job, "name", ""), state, about);
	}
}

/* The run's jobs in the order of the pipeline; the daemon lists the newest first. */
static json_t *in_order(const json_t *run, const json_t *listed)
{
	json_t *ordered = json_array(), *known, *full;
	size_t i, k;

	json_array_foreach(json_object_get(run, "jobs"), i, known) {
		json_t *best = known;

		json_array_foreach(listed, k, full)
			if (str_eq(json_get_str(full, "id", ""), json_get_str(known, "id", NULL)))
				best = full;
		json_array_append(ordered, best);
	}
	return ordered;
}

/* Read the current state: *ret_item is the run or job, *ret_jobs the jobs to show. */
static int look(struct follow *f, json_t **ret_item, json_t **ret_jobs, struct err *reterr)
{
	OWN(json_decrefp) json_t *item = NULL, *list = NULL;
	struct request_path p;
	int r;

	request_path(&p, "/v1/%s/%s", f->is_run ? "runs" : "jobs", f->id);
	r = client_request(f->c, "GET", &p, NULL, &item, reterr);
	if (r < 0)
		return r;
	if (f->is_run) {
		request_path(&p, "/v1/jobs");
		request_path_param(&p, "run", f->id);
		request_path_param(&p, "limit", "256");
		r = client_request(f->c, "GET", &p, NULL, &list, reterr);
		if (r < 0)
			return r;
	}
	*ret_jobs =
		f->is_run ? in_order(item, json_object_get(list, "items")) : json_pack("[O]", item);
	*ret_item = TAKE(item);
	return 0;
}

/* Wait for a newer event of the item, or for a few seconds. */
static int wait_for_news(struct follow *f, const json_t *item, struct err *reterr)
{
	OWN(json_decrefp) json_t *answer = NULL;
	int64_t seq = json_get_int(item, "seq", 0);
	struct request_path p;
	char since[24];
	int r;

	if (seq > f->since)
		f->since = seq;
	snprintf(since, sizeof(since), "%lld", (long long)f->since);
	request_path(&p, "/v1/events");
	request_path_param(&p, f->is_run ? "run" : "job", f->id);
	request_path_param(&p, "since", since);
	request_path_param(&p, "wait", POLL_WAIT_S);
	r = client_request(f->c, "GET", &p, NULL, &answer, reterr);
	if (r == -ERR_GONE) { /* the daemon no longer has events that old: read the state instead */
		nap_ms(RETRY_DELAY_MS);
		return 0;
	}
	f->since = json_get_int(answer, "next_since", f->since);
	return r;
}

static bool is_final(bool is_run, const char *state)
{
	enum run_state run;
	enum job_state job;

	if (is_run)
		return run_state_parse(state, &run) == 0 && run_state_is_final(run);
	return job_state_parse(state, &job) == 0 && job_state_is_final(job);
}

/* Read the state once and show it. 1: it has ended. */
static int follow_once(struct follow *f, char state[24], struct err *reterr)
{
	OWN(json_decrefp) json_t *item = NULL, *jobs = NULL;
	int r = look(f, &item, &jobs, reterr);

	if (r < 0)
		return r;
	if (f->unreachable)
		fputs("trainyard: the daemon answers again\n", stderr);
	f->unreachable = false;
	f->reached = true;
	f->terminal ? draw(f, jobs) : say_changes(f, jobs);
	str_excerpt(state, 24, json_get_str(item, "state", ""));
	if (is_final(f->is_run, state))
		return 1;
	return wait_for_news(f, item, reterr);
}

int follow_to_end(struct cli *c, const char *id, bool is_run, int64_t timeout_us,
		  char ret_state[24], struct err *reterr)
{
	OWN(freep) struct follow *f = calloc(1, sizeof(*f));
	int64_t deadline_us = timeout_us ? clock_mono_us() + timeout_us : USEC_NEVER;
	int r = 0;

	if (!f)
		return err_errno(reterr, ENOMEM, "wait");
	*f = (struct follow){.c = c, .id = id, .is_run = is_run, .terminal = isatty(STDERR_FILENO)};
	while (r == 0) {
		r = follow_once(f, ret_state, reterr);
		if (r < 0 && client_may_retry(r) && f->reached) {
			if (!f->unreachable)
				fprintf(stderr, "trainyard: %s; waiting for the daemon\n",
					reterr->msg);
			f->unreachable = true;
			f->drawn = 0;
			nap_ms(RETRY_DELAY_MS);
			r = 0;
		}
		if (r == 0 && clock_mono_us() >= deadline_us)
			r = err_set(reterr, ERR_LIMIT,
				    "%s is still %s and goes on; wait longer, or cancel it", id,
				    ret_state);
	}
	return r < 0 ? r : 0;
}

int follow_verdict(struct cli *c, const char *id, const char *state)
{
	if (str_eq(state, "succeeded"))
		return CLI_OK;
	fprintf(stderr, "trainyard: %s has %s; 'trainyard show %s' says more\n", id,
		str_eq(state, "failed") ? "failed" : "not succeeded", id);
	return CLI_NOT_SUCCEEDED;
}
