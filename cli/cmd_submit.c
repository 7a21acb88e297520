/* SPDX-License-Identifier: MIT */
/*
 * submit, clone and validate: read a pipeline from a file or a run, change it by options, send it
 * to the daemon.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/follow.h"
#include "cli/paths.h"
#include "cli/set.h"
#include "cli/show.h"

#include <libgen.h>
#include <string.h>

#define PIPELINE_MAX (8 << 20) /* bytes, the daemon's default */

/* Apply all options of that name to `pipeline`. */
static int apply_options(struct cli *c, const char *option, json_t *pipeline, struct err *reterr)
{
	const char *assignment;
	int r = 0;

	for (int i = 0; r >= 0 && (assignment = cli_get_nth(c, option, i)); i++)
		r = err_ctx(reterr, set_apply(pipeline, assignment, reterr), "--%s", option);
	return r;
}

/* Load the pipeline from the file, apply --set and make its relative paths absolute. */
static int load_pipeline(struct cli *c, json_t **ret, struct err *reterr)
{
	bool is_stdin = str_eq(c->args[0], "-");
	const char *path = is_stdin ? "/dev/stdin" : c->args[0];
	OWN(buf_done) struct buf text = BUF_INIT(PIPELINE_MAX);
	OWN(json_decrefp) json_t *pipeline = NULL;
	OWN(freep) char *copy = strdup(path);
	int r = copy ? file_read(AT_FDCWD, path, &text, reterr)
		     : err_errno(reterr, ENOMEM, "read the pipeline");

	if (r >= 0)
		r = err_ctx(reterr, json_parse_nul(buf_str(&text), text.len, &pipeline, reterr),
			    "%s", c->args[0]);
	if (r >= 0)
		r = apply_options(c, "set", pipeline, reterr);
	if (r >= 0)
		r = paths_resolve(pipeline, is_stdin ? NULL : dirname(copy), reterr);
	if (r < 0)
		return r;
	*ret = TAKE(pipeline);
	return 0;
}

/* POST the pipeline to `where`. */
static int send_pipeline(struct cli *c, const char *where, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *pipeline = NULL;
	struct request_path p;
	int r = load_pipeline(c, &pipeline, reterr);

	request_path(&p, "%s", where);
	return r < 0 ? r : client_request(c, "POST", &p, pipeline, ret, reterr);
}

static int wait_for(struct cli *c, const char *run)
{
	char state[24];
	struct err e;

	if (follow_to_end(c, run, true, 0, state, &e) < 0)
		return cli_fail(c, &e);
	return follow_verdict(c, run, state);
}

/* Print the new run. If --wait is given, waits for its end. Returns the exit status. */
static int submitted(struct cli *c, const json_t *run)
{
	const char *id = json_get_str(run, "id", "");

	if (c->json)
		show_json(run);
	else if (cli_get(c, "quiet"))
		puts(id);
	else
		printf("%s submitted: '%s', %zu jobs\n", id, json_get_str(run, "name", ""),
		       json_array_size(json_object_get(run, "jobs")));
	fflush(stdout);
	if (cli_get(c, "wait"))
		return wait_for(c, id);
	show_warnings(stderr, "warning:", NULL, json_object_get(run, "warnings"));
	return CLI_OK;
}

int cmd_submit(struct cli *c)
{
	OWN(json_decrefp) json_t *run = NULL;
	struct err e;

	if (send_pipeline(c, "/v1/runs", &run, &e) < 0)
		return cli_fail(c, &e);
	return submitted(c, run);
}

int cmd_clone(struct cli *c)
{
	OWN(json_decrefp) json_t *pipeline = NULL, *run = NULL;
	char id[ID_LEN];
	struct request_path p;
	struct err e;
	bool is_run;
	int r = client_resolve(c, c->args[0], id, &is_run, &e);

	if (r >= 0 && !is_run)
		r = err_set(&e, ERR_INVALID, "'%s' is a job; name its run", c->args[0]);
	request_path(&p, "/v1/runs/%s/spec", id);
	if (r >= 0)
		r = client_request(c, "GET", &p, NULL, &pipeline, &e);
	if (r >= 0)
		r = apply_options(c, "param", pipeline, &e);
	request_path(&p, "/v1/runs");
	if (r >= 0)
		r = client_request(c, "POST", &p, pipeline, &run, &e);
	return r < 0 ? cli_fail(c, &e) : submitted(c, run);
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
