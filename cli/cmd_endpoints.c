/* SPDX-License-Identifier: MIT */
/*
 * Endpoints: list, renew, roll back, delete, predict.
 */
#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "cli/follow.h"
#include "cli/list.h"

#include <string.h>
#include <time.h>

#define GONE_POLL_MS   200
#define GONE_POLLS_MAX 600
#define TEXT_LINE_MAX  (1 << 20) /* bytes of all texts on standard input */

static const struct show_column columns[] = {
	{"NAME", "name"},
	{"STATE", "state"},
	{"TARGET", "target"},
	{"CREATED", "created_at", SHOW_AGE},
	{"LEASE ENDS", "lease.expires_at", SHOW_AGE},
	{"REASON", "reason", SHOW_REASON, 60},
	{NULL},
};

static const struct show_column fields[] = {
	{"endpoint", "name"},
	{"state", "state"},
	{"reason", "reason", SHOW_REASON},
	{"target", "target"},
	{"model", "model"},
	{"device", "result.device"},
	{"dtype", "result.dtype"},
	{"dtype because", "result.dtype_reason"},
	{"parity", "result.parity"},
	{"score differs by", "result.parity_max_diff"},
	{"run", "run"},
	{"job", "job"},
	{"created", "created_at", SHOW_TIME},
	{"in service", "in_service_at", SHOW_TIME},
	{"deleted", "deleted_at", SHOW_TIME},
	{"lease", "lease.ttl"},
	{"idle", "lease.idle"},
	{"lease ends", "lease.expires_at", SHOW_AGE},
	{"last request", "lease.last_request_at", SHOW_AGE},
	{"restarts", "restarts"},
	{"there", "sagemaker.endpoint"},
	{"its status", "sagemaker.status"},
	{"region", "sagemaker.region"},
	{"reserved $", "cost.reserved_usd"},
	{"settled $", "cost.settled_usd"},
	{NULL},
};

int cmd_endpoints(struct cli *c)
{
	struct request_path p;

	request_path(&p, "/v1/endpoints");
	request_path_param(&p, "state",
			   cli_get(c, "state") ? cli_get(c, "state")
			   : cli_get(c, "all") ? NULL
					       : "creating,in_service,updating,deleting");
	request_path_param(&p, "limit", cli_get(c, "limit"));
	return cli_list(c, &p, columns,
			cli_get(c, "all") ? "There are no endpoints."
					  : "There are no live endpoints; --all lists deleted and "
					    "failed ones, too.");
}

static int endpoint_show(struct cli *c, struct request_path *p, struct err *reterr)
{
	OWN(json_decrefp) json_t *answer = NULL;
	int r = client_show(c, p, &answer, reterr);

	if (r <= 0)
		return r;
	show_fields(answer, fields);
	request_path_segment(p, "invocations");
	if (str_starts(c->url, "unix:"))
		printf("%-11s http://localhost%s (curl --unix-socket %s)\n", "url", p->text,
		       c->url + strlen("unix:"));
	else
		printf("%-11s %s%s\n", "url", c->url, p->text);
	return 0;
}

static int endpoint_renew(struct cli *c, struct request_path *p, struct err *reterr)
{
	OWN(json_decrefp) json_t *answer = NULL, *body = json_object();
	static const struct show_column until = {"", "lease.expires_at", SHOW_AGE};
	char cell[SHOW_CELL_MAX];
	int r;

	if (cli_get(c, "ttl"))
		json_set_str(body, "ttl", cli_get(c, "ttl"));
	request_path_segment(p, "renew");
	r = client_request(c, "POST", p, body, &answer, reterr);
	if (r < 0)
		return r;
	show_cell(cell, answer, &until);
	if (c->json)
		show_json(answer);
	else
		printf("%s: the lease ends %s\n", c->args[1], cell);
	return 0;
}

/* Wait until the endpoint is deleted, failed or unknown. */
static int wait_until_gone(struct cli *c, struct request_path *p, struct err *reterr)
{
	for (int i = 0; i < GONE_POLLS_MAX; i++) {
		OWN(json_decrefp) json_t *answer = NULL;
		const char *state;
		int r = client_request(c, "GET", p, NULL, &answer, reterr);

		if (r == -ERR_NOT_FOUND)
			return 0;
		if (r < 0 && !client_may_retry(r))
			return r;
		state = json_get_str(answer, "state", "");
		if (str_eq(state, "deleted") || str_eq(state, "failed"))
			return 0;
		nanosleep(&(struct timespec){.tv_nsec = GONE_POLL_MS * 1000000L}, NULL);
	}
	return err_set(reterr, ERR_LIMIT,
		       "endpoint %s still exists; 'trainyard endpoint show %s' says why",
		       c->args[1], c->args[1]);
}

static int endpoint_delete(struct cli *c, struct request_path *p, struct err *reterr)
{
	OWN(json_decrefp) json_t *answer = NULL;
	int r = client_request(c, "DELETE", p, NULL, &answer, reterr);

	if (r >= 0 && cli_get(c, "wait"))
		r = wait_until_gone(c, p, reterr);
	if (r < 0)
		return r;
	if (c->json)
		show_json(answer);
	else
		printf("%s: %s\n", c->args[1], cli_get(c, "wait") ? "deleted" : "will be deleted");
	return 0;
}

static int endpoint_rollback(struct cli *c, struct request_path *p, int *ret_code,
			     struct err *reterr)
{
	OWN(json_decrefp) json_t *answer = NULL, *body = json_object();
	const char *id, *model;
	char state[24];
	int r;

	request_path_segment(p, "rollback");
	r = client_request(c, "POST", p, body, &answer, reterr);
	if (r < 0)
		return r;
	id = json_get_str(answer, "id", "");
	model = json_get_str(json_object_get(answer, "spec"), "model",
			     "its model before the update");
	if (c->json)
		show_json(answer);
	else
		printf("%s: job %s rolls the endpoint back to %s\n", c->args[1], id, model);
	if (!cli_get(c, "wait"))
		return 0;
	r = follow_to_end(c, id, false, 0, state, reterr);
	if (r >= 0)
		*ret_code = follow_verdict(c, id, state);
	return r;
}

int cmd_endpoint(struct cli *c)
{
	const char *verb = c->args[0];
	int code = CLI_OK;
	struct request_path p;
	struct err e;
	int r;

	request_path(&p, "/v1/endpoints");
	request_path_segment(&p, c->args[1]);
	if (str_eq(verb, "show"))
		r = endpoint_show(c, &p, &e);
	else if (str_eq(verb, "renew"))
		r = endpoint_renew(c, &p, &e);
	else if (str_eq(verb, "rollback"))
		r = endpoint_rollback(c, &p, &code, &e);
	else if (str_eq(verb, "delete"))
		r = endpoint_delete(c, &p, &e);
	else
		r = err_set(&e, ERR_INVALID,
			    "use 'endpoint renew|rollback|delete|show NAME', not '%s'", verb);
	return r < 0 ? cli_fail(c, &e) : code;
}

/* The texts of the command line, or the lines of standard input, as a new JSON list. */
static json_t *texts_of(struct cli *c)
{
	json_t *texts = json_array();
	OWN(freep) char *line = NULL;
	size_t size = 0, total = 0;
	ssize_t n;

	if (c->args_n != 2 || !str_eq(c->args[1], "-")) {
		for (int i = 1; i < c->args_n; i++)
			json_array_append_new(texts, json_string(c->args[i]));
		return texts;
	}
	while (total < TEXT_LINE_MAX && (n = getline(&line, &size, stdin)) > 0) {
		total += (size_t)n;
		line[strcspn(line, "\r\n")] = '\0';
		json_array_append_new(texts, json_string(line));
	}
	return texts;
}

/* Print the answer for one text: [{"label","score"}, …] or {"label","score"}. */
static void print_prediction(const json_t *prediction, const char *text)
{
	const json_t *label = json_object_get(prediction, "label"), *item;
	OWN(freep) char *number = json_is_number(label) ? json_text(label) : NULL;
	size_t i;

	if (json_is_object(prediction)) {
		printf("%-12s %.4f  %s\n", number ? number : json_get_str(prediction, "label", "?"),
		       json_get_num(prediction, "score", 0), text);
		return;
	}
	json_array_foreach(prediction, i, item)
		print_prediction(item, i == 0 ? text : "");
}

int cmd_predict(struct cli *c)
{
	OWN(json_decrefp) json_t *texts = texts_of(c), *answer = NULL, *body = json_object();
	struct request_path p;
	struct err e = {0};
	int64_t top_k = 0;
	json_t *item;
	size_t i;
	int r = 0;

	if (json_array_size(texts) < 1)
		r = err_set(&e, ERR_INVALID, "the text to send is empty or not UTF-8; give a text");
	if (cli_get(c, "top-k") && str_to_i64(cli_get(c, "top-k"), &top_k) < 0)
		r = err_set(&e, ERR_INVALID, "--top-k needs a number, not '%s'",
			    cli_get(c, "top-k"));
	json_object_set(body, "inputs", texts);
	if (top_k)
		json_object_set_new(body, "parameters",
				    json_pack("{sI}", "top_k", (json_int_t)top_k));
	request_path(&p, "/v1/endpoints");
	request_path_segment(&p, c->args[0]);
	request_path_segment(&p, "invocations");
	if (r >= 0)
		r = client_request(c, "POST", &p, body, &answer, &e);
	if (r < 0)
		return cli_fail(c, &e);
	if (c->json) {
		show_json(answer);
		return CLI_OK;
	}
	json_array_foreach(answer, i, item)
		print_prediction(item, json_string_value(json_array_get(texts, i)));
	return CLI_OK;
}
