/* SPDX-License-Identifier: MIT */
/*
 * Shared by all commands of `trainyard`: the parsed command line, the connection, and the exit
 * statuses. main.c parses and dispatches; cmd_*.c have the commands, one file per group; client.h
 * talks to the daemon; show.h prints.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "net/http.h"

#include <stdbool.h>
#include <stddef.h>

#define CLI_WORDS_MAX	256  /* options and arguments of one command line */
#define CLI_OPTIONS_MAX 8    /* options of one command */
#define CLI_PATH_MAX	4096 /* of a request */

/* Exit statuses; --help and docs/operations.md list them. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,	       /* the daemon refused, or a local file is unusable */
	CLI_USAGE = 2,	       /* wrong command line */
	CLI_UNREACHABLE = 3,   /* no daemon answers */
	CLI_NOT_SUCCEEDED = 4, /* the awaited run or job did not succeed */
};

struct cli_option {
	const char *name;  /* without the dashes; NULL ends the table */
	char letter;	   /* 0: none */
	const char *value; /* the value's name in --help; NULL: a flag */
	const char *help;
};

struct cli;

struct cli_command {
	const char *name;
	const char *arguments; /* as in --help */
	const char *help;      /* one line */
	int min, max;	       /* number of arguments; max -1: any number */
	int (*run)(struct cli *c);
	struct cli_option options[CLI_OPTIONS_MAX + 1];
};

struct cli {
	const struct cli_command *command;
	bool json;	 /* True with --json: print only the daemon's answer */
	const char *url; /* the daemon's address, for messages */
	struct http *http;
	const char *args[CLI_WORDS_MAX];
	int args_n;
	struct {
		const char *name, *value; /* a flag's value is "" */
	} given[CLI_WORDS_MAX];
	int given_n;
};

/* Value of the last --name; NULL: not given. */
const char *cli_get(const struct cli *c, const char *name);
/* The nth (from 0) --name; NULL: there are fewer. */
const char *cli_get_nth(const struct cli *c, const char *name, int nth);
/* Print "trainyard: MESSAGE" on stderr. Returns the exit status of the error. */
int cli_fail(const struct cli *c, const struct err *e);

/* The commands, each in the cmd_*.c of its group. Each returns an exit status. */
int cmd_submit(struct cli *c);
int cmd_clone(struct cli *c);
int cmd_validate(struct cli *c);
int cmd_runs(struct cli *c);
int cmd_jobs(struct cli *c);
int cmd_show(struct cli *c);
int cmd_wait(struct cli *c);
int cmd_cancel(struct cli *c);
int cmd_retry(struct cli *c);
int cmd_hold(struct cli *c);
int cmd_priority(struct cli *c);
int cmd_release(struct cli *c);
int cmd_prune(struct cli *c);
int cmd_delete(struct cli *c);
int cmd_explain(struct cli *c);
int cmd_logs(struct cli *c);
int cmd_metrics(struct cli *c);
int cmd_events(struct cli *c);
int cmd_artifacts(struct cli *c);
int cmd_endpoints(struct cli *c);
int cmd_endpoint(struct cli *c);
int cmd_predict(struct cli *c);
int cmd_model(struct cli *c);
int cmd_roles(struct cli *c);
int cmd_training_jobs(struct cli *c);
int cmd_devices(struct cli *c);
int cmd_queue(struct cli *c);
int cmd_costs(struct cli *c);
int cmd_du(struct cli *c);
int cmd_backup(struct cli *c);
int cmd_restore(struct cli *c);
int cmd_notify(struct cli *c);
int cmd_doctor(struct cli *c);
int cmd_status(struct cli *c);
int cmd_version(struct cli *c);
