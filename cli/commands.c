/* SPDX-License-Identifier: MIT */
/* Every command in one table, and --help out of the same table. */
#include "cli/commands.h"

#include "base/own.h"
#include "base/str.h"

#include <stdio.h>

const struct cli_option command_global_options[] = {
	{"url", 'u', "URL", "the daemon: http://HOST:PORT or unix:/path (or $TRAINYARD_URL)"},
	{"json", 'j', NULL, "print the daemon's answer as JSON"},
	{"help", 'h', NULL, "say how a command is used"},
	{NULL},
};

#define OPTION_SET                                                                               \
	{                                                                                        \
		"set", 's', "PATH=VALUE", "change the file: jobs.train.hyperparameters.epochs=3" \
	}
#define OPTION_LIMIT                                   \
	{                                              \
		"limit", 'n', "N", "at most N of them" \
	}
#define OPTION_STATE                                                   \
	{                                                              \
		"state", 0, "STATE", "only these; several with commas" \
	}
#define OPTION_DRY_RUN                                                                        \
	{                                                                                     \
		"dry-run", 'd', NULL, "change nothing: say what would go, what stays and why" \
	}
#define OPTION_ROWS                                                           \
	{                                                                     \
		"rows", 0, NULL, "remove spec, states, metrics and logs, too" \
	}
#define OPTION_TRY                                         \
	{                                                  \
		"attempt", 0, "N", "of an earlier attempt" \
	}

#define OPTION_WAIT                                                                              \
	{                                                                                        \
		"wait", 'w', NULL, "wait for its end; the exit status says whether it succeeded" \
	}
#define OPTION_QUIET                                          \
	{                                                     \
		"quiet", 'q', NULL, "print only the run's id" \
	}

static const struct cli_command commands[] = {
	{"submit",
	 "FILE",
	 "submit a pipeline (JSON; '-' is standard input); prints its run",
	 1,
	 1,
	 cmd_submit,
	 {OPTION_SET, OPTION_WAIT, OPTION_QUIET, {NULL}}},
	{"clone",
	 "RUN",
	 "submit a run again, as it was submitted or changed",
	 1,
	 1,
	 cmd_clone,
	 {{"param", 'p', "PATH=VALUE", "change it: /jobs/0/hyperparameters/epochs=3"},
	  OPTION_WAIT,
	  OPTION_QUIET,
	  {NULL}}},
	{"validate",
	 "FILE",
	 "check a pipeline as a submit does; store nothing",
	 1,
	 1,
	 cmd_validate,
	 {OPTION_SET, {NULL}}},
	{"status", "", "the daemon at a glance", 0, 0, cmd_status, {{NULL}}},
	{"runs",
	 "",
	 "list runs, newest first",
	 0,
	 0,
	 cmd_runs,
	 {OPTION_STATE, {"name", 0, "NAME", "only these"}, OPTION_LIMIT, {NULL}}},
	{"jobs",
	 "",
	 "list jobs, newest first",
	 0,
	 0,
	 cmd_jobs,
	 {OPTION_STATE,
	  {"run", 'r', "RUN", "of one run"},
	  {"kind", 'k', "KIND", "only these"},
	  OPTION_LIMIT,
	  {NULL}}},
	{"show",
	 "ID",
	 "one run or job, whole",
	 1,
	 1,
	 cmd_show,
	 {{"spec", 0, NULL, "what was submitted, as JSON; of a job with its defaults"}, {NULL}}},
	{"wait",
	 "ID",
	 "follow a run or job to its end, with progress",
	 1,
	 1,
	 cmd_wait,
	 {{"timeout", 't', "DURATION", "give up after so long (exit status 1)"}, {NULL}}},
	{"logs",
	 "ID",
	 "the log of a job",
	 1,
	 1,
	 cmd_logs,
	 {{"follow", 'f', NULL, "go on until the job has ended"},
	  {"tail", 't', "LINES", "only the last ones"},
	  OPTION_TRY,
	  {NULL}}},
	{"metrics",
	 "ID",
	 "the metrics of a job",
	 1,
	 1,
	 cmd_metrics,
	 {{"name", 0, "NAME", "only this one"}, OPTION_TRY, {NULL}}},
	{"events",
	 "",
	 "what happened",
	 0,
	 0,
	 cmd_events,
	 {{"follow", 'f', NULL, "go on as things happen"},
	  {"since", 0, "SEQ", "only later ones"},
	  {"run", 'r', "RUN", "of one run"},
	  {"job", 0, "JOB", "of one job"},
	  {"kind", 'k', "KIND", "only these, as job_state"},
	  {NULL}}},
	{"artifacts",
	 "ID [get PATH]",
	 "list a job's files, or fetch one",
	 1,
	 3,
	 cmd_artifacts,
	 {{"output", 'o', "FILE", "write there; default: PATH's last part, '-' is standard output"},
	  OPTION_TRY,
	  {NULL}}},
	{"explain",
	 "ID",
	 "why a job, or a run's jobs, are not running",
	 1,
	 1,
	 cmd_explain,
	 {{NULL}}},
	{"cancel", "ID", "cancel a run or job", 1, 1, cmd_cancel, {{NULL}}},
	{"retry", "ID", "run what failed again; what succeeded is kept", 1, 1, cmd_retry, {{NULL}}},
	{"hold",
	 "ID",
	 "keep a waiting job, or all of a run, from starting",
	 1,
	 1,
	 cmd_hold,
	 {{NULL}}},
	{"release", "ID", "let a held job, or all of a run, start", 1, 1, cmd_release, {{NULL}}},
	{"prune",
	 "",
	 "remove the files of runs that ended long ago; what they were stays",
	 0,
	 0,
	 cmd_prune,
	 {{"older", 0, "DURATION", "that ended longer ago; default 30d, with --keep 0s"},
	  {"keep", 'k', "N", "but the N that ended last"},
	  OPTION_DRY_RUN,
	  OPTION_ROWS,
	  {NULL}}},
	{"delete",
	 "RUN",
	 "remove the files of one run that has ended",
	 1,
	 1,
	 cmd_delete,
	 {OPTION_DRY_RUN, OPTION_ROWS, {NULL}}},
	{"priority",
	 "ID NUMBER",
	 "change the place in the queue of a waiting job, or of a run's",
	 2,
	 2,
	 cmd_priority,
	 {{NULL}}},
	{"endpoints",
	 "",
	 "list the live endpoints",
	 0,
	 0,
	 cmd_endpoints,
	 {{"all", 'a', NULL, "deleted and failed ones, too"}, OPTION_STATE, OPTION_LIMIT, {NULL}}},
	{"endpoint",
	 "renew|rollback|delete|show NAME",
	 "renew an endpoint's lease, undo its last update, delete it, show it",
	 2,
	 2,
	 cmd_endpoint,
	 {{"ttl", 0, "DURATION", "renew for so long; default: as deployed"},
	  {"wait", 'w', NULL, "until it is gone, or the roll-back has ended"},
	  {NULL}}},
	{"predict",
	 "NAME TEXT...",
	 "ask an endpoint; '-' reads texts from standard input, one a line",
	 2,
	 -1,
	 cmd_predict,
	 {{"top-k", 'k', "N", "the N best labels of each text"}, {NULL}}},
	{"model",
	 "list|add NAME PATH|add NAME hub:ORG/NAME[@REVISION]|show NAME|remove NAME",
	 "names of models that a spec may use in place of a path",
	 1,
	 3,
	 cmd_model,
	 {{"dry-run", 'n', NULL, "add: only look whether it could be added"}, {NULL}}},
	{"queue",
	 "",
	 "what waits, in the order in which it would start",
	 0,
	 0,
	 cmd_queue,
	 {{NULL}}},
	{"costs",
	 "",
	 "what SageMaker costs: today, this month, by job and endpoint, and the caps",
	 0,
	 0,
	 cmd_costs,
	 {{"from", 0, "DAY", "first day (UTC); the first of the month"},
	  {"to", 0, "DAY", "last day; today"},
	  {NULL}}},
	{"du",
	 "[RUN...]",
	 "what takes the disk, by kind and run; of runs also by job",
	 0,
	 -1,
	 cmd_du,
	 {{NULL}}},
	{"roles",
	 "[NAME]",
	 "the IAM roles that SageMaker may assume, or what one of them is enough for",
	 0,
	 1,
	 cmd_roles,
	 {{"contains", 0, "TEXT", "only names with this in them"},
	  {"path-prefix", 0, "PATH", "only paths that begin so, as /service-role/"},
	  {"bucket", 0, "BUCKET", "of one role: may it read and write there?"},
	  OPTION_LIMIT,
	  {NULL}}},
	{"training-jobs",
	 "[NAME]",
	 "SageMaker's training jobs of the account, newest first, or one of them",
	 0,
	 1,
	 cmd_training_jobs,
	 {{"created-after", 0, "TIME", "only later ones: 2026-01-31 or 2026-01-31T12:00:00Z"},
	  {"created-before", 0, "TIME", "only earlier ones"},
	  {"status", 0, "STATUS", "InProgress, Completed, Failed, Stopping or Stopped"},
	  {"contains", 0, "TEXT", "only names with this in them"},
	  {"region", 0, "REGION", "another than the configured one"},
	  OPTION_LIMIT,
	  {"logs", 'l', NULL, "of one job: what it has logged"},
	  {"tail", 't', "LINES", "with --logs: only the last ones"},
	  {NULL}}},
	{"devices", "", "slots and GPUs of the machine", 0, 0, cmd_devices, {{NULL}}},
	{"version", "", "versions of this client and of the daemon", 0, 0, cmd_version, {{NULL}}},
};

static void print_option(const struct cli_option *o)
{
	char left[48];

	snprintf(left, sizeof(left), "%c%c%s --%s%s%s", o->letter ? '-' : ' ',
		 o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name, o->value ? " " : "",
		 o->value ? o->value : "");
	printf("  %-26s %s\n", left, o->help);
}

void command_help_all(void)
{
	puts("usage: trainyard [OPTIONS] COMMAND [ARGUMENTS]\n\n"
	     "Trains, deploys and asks models through the daemon trainyardd.\n\ncommands:");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("  %-13s %s\n", commands[i].name, commands[i].help);
	puts("\noptions of every command:");
	for (const struct cli_option *o = command_global_options; o->name; o++)
		print_option(o);
	puts("\nAn ID is a run's (r...), a job's (j...) or RUN/NAME. The daemon is looked for at "
	     "--url, "
	     "$TRAINYARD_URL,\nthe unix socket in $RUNTIME_DIRECTORY or /run/trainyard, "
	     "then " DEFAULT_URL ".\n\n"
	     "exit status: 0 done, 1 refused or failed, 2 wrong command line, 3 no daemon "
	     "answers,\n"
	     "4 the run or job that was waited for did not succeed.\n"
	     "'trainyard COMMAND --help' says more about one command.");
}

void command_help(const struct cli_command *cmd)
{
	printf("usage: trainyard %s%s%s%s\n\n%s\n", cmd->name,
	       cmd->options[0].name ? " [OPTIONS]" : "", cmd->arguments[0] ? " " : "",
	       cmd->arguments, cmd->help);
	if (cmd->options[0].name)
		puts("\noptions:");
	for (const struct cli_option *o = cmd->options; o->name; o++)
		print_option(o);
	puts("\noptions of every command:");
	for (const struct cli_option *o = command_global_options; o->name; o++)
		print_option(o);
}

const struct cli_command *command_find(const char *name)
{
	const char *names[ARRAY_LEN(commands)], *nearest;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		names[i] = commands[i].name;
		if (str_eq(name, commands[i].name))
			return &commands[i];
	}
	nearest = str_nearest(name, names, ARRAY_LEN(commands));
	fprintf(stderr, "trainyard: there is no command '%s'%s%s%s\n", name,
		nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
	return NULL;
}
