/* SPDX-License-Identifier: MIT */
/*
 * submit and validate: a pipeline out of a file, changed by --set, sent to the daemon.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/follow.h"
#include "cli/set.h"
#include "cli/show.h"

#define PIPELINE_MAX (8 << 20) /* bytes, as the daemon's default */

/* The bytes to send into *body: the file's own, or what --set made of them. */
static int load_pipeline(struct cli *c, struct buf *body, struct err *reterr)
{
	const char *path = str_eq(c->args[0], "-") ? "/dev/stdin" : c->args[0], *assignment;
	OWN(json_decrefp) json_t *pipeline = NULL;
	OWN(freep) char *text = NULL;
	int r = file_read(AT_FDCWD, path, body, reterr);

	for (int i = 0; r >= 0 && (assignment = cli_get_nth(c, "set", i)); i++) {
		if (!pipeline)
			r = err_ctx(reterr, json_parse(buf_str(body), body->len, &pipeline, reterr),
				    "%s", c->args[0]);
		if (r >= 0)
			r = set_apply(pipeline, assignment, reterr);
	}
	if (r < 0 || !pipeline)
		return r;
	text = json_text(pipeline);
	buf_clear(body);
	return text ? buf_puts(body, text) : -ENOMEM;
}

/* POST the pipeline to `where`. */
static int send_pipeline(struct cli *c, const char *where, json_t **ret, struct err *reterr)
{
	struct buf body = BUF_INIT(PIPELINE_MAX);
	struct ask_path p;
	int r = load_pipeline(c, &body, reterr);

	ask_path(&p, "%s", where);
	if (r >= 0)
		r = ask_raw(c, "POST", &p, buf_str(&body), body.len, ret, reterr);
	buf_done(&body);
	return r;
}

static int wait_for(struct cli *c, const char *run)
{
	char state[24];
	struct err e;

	if (follow_to_end(c, run, true, 0, state, &e) < 0)
		return cli_fail(c, &e);
	return follow_verdict(c, run, state);
}

int cmd_submit(struct cli *c)
{
	OWN(json_decrefp) json_t *run = NULL;
	const char *id;
	struct err e;

	if (send_pipeline(c, "/v1/runs", &run, &e) < 0)
		return cli_fail(c, &e);
	id = json_get_str(run, "id", "");
	if (c->json)
		show_json(run);
	else if (cli_get(c, "quiet"))
		puts(id);
	else
		printf("%s submitted: '%s', %zu jobs\n", id, json_get_str(run, "name", ""),
		       json_array_size(json_object_get(run, "jobs")));
	fflush(stdout);
	if (!cli_get(c, "wait")) /* who waits is shown each job's warnings */
		show_warnings(stderr, "warning:", NULL, json_object_get(run, "warnings"));
	return cli_get(c, "wait") ? wait_for(c, id) : CLI_OK;
}

int cmd_validate(struct cli *c)
{
	static const struct show_column columns[] = {{"JOB", "name"},
						     {"KIND", "kind"},
						     {"TARGET", "target"},
						     {"SLOT", "slot"},
						     {"GPUS", "gpus"},
						     {"CPUS", "cpus"},
						     {NULL}};
	OWN(json_decrefp) json_t *answer = NULL;
	const json_t *problem;
	struct err e;
	size_t i;
	bool valid;

	if (send_pipeline(c, "/v1/validate", &answer, &e) < 0)
		return cli_fail(c, &e);
	valid = json_get_bool(answer, "valid",
			      json_array_size(json_object_get(answer, "problems")) == 0);
	if (c->json) {
		show_json(answer);
		return valid ? CLI_OK : CLI_FAILED;
	}
	json_array_foreach(json_object_get(answer, "problems"), i, problem)
		printf("%s: %s\n", json_get_str(problem, "pointer", ""),
		       json_get_str(problem, "detail", ""));
	show_warnings(stdout, "warning:", NULL, json_object_get(answer, "warnings"));
	if (valid) {
		puts("The pipeline is valid.");
		if (json_is_array(show_find(answer, "placement.jobs")))
			show_table(show_find(answer, "placement.jobs"), columns, "");
	}
	return valid ? CLI_OK : CLI_FAILED;
}
