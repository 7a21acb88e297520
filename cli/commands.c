/* SPDX-License-Identifier: MIT */
/* The table of all commands, and --help from that table. */
#include "cli/commands.h"

#include "base/own.h"
#include "base/str.h"

#include <stdio.h>

const struct cli_option command_global_options[] = {
	{"url", 'u', "URL",
	 "address of the daemon: http://HOST:PORT or unix:/path (or $TRAINYARD_URL)"},
	{"json", 'j', NULL, "print the daemon's answer as JSON"},
	{"help", 'h', NULL, "print the usage of the command"},
	{"version", 0, NULL, "print the version of this client, without asking the daemon"},
	{NULL},
};

#define OPTION_SET                                                                         \
	{                                                                                  \
		"set", 's', "PATH=VALUE",                                                  \
			"set a field of the pipeline: jobs.train.hyperparameters.epochs=3" \
	}
#define OPTION_LIMIT                                      \
	{                                                 \
		"limit", 'n', "N", "show at most N items" \
	}
#define OPTION_STATE                                                               \
	{                                                                          \
		"state", 0, "STATE", "show only these states, separated by commas" \
	}
#define OPTION_DRY_RUN                                                                    \
	{                                                                                 \
		"dry-run", 'd', NULL,                                                     \
			"change nothing: print what would be removed, what stays and why" \
	}
#define OPTION_ROWS                                                                     \
	{                                                                               \
		"rows", 0, NULL, "remove the rows, too: spec, states, metrics and logs" \
	}
#define OPTION_TRY                                                         \
	{                                                                  \
		"attempt", 0, "N", "show attempt N; default: the last one" \
	}

#define OPTION_WAIT                                                                        \
	{                                                                                  \
		"wait", 'w', NULL, "wait for the end; exit status 4 if it did not succeed" \
	}
#define OPTION_QUIET                                          \
	{                                                     \
		"quiet", 'q', NULL, "print only the run's id" \
	}

static const struct cli_command commands[] = {
	{"submit",
	 "FILE",
	 "submit a pipeline (JSON; '-' is standard input) and print its run",
	 1,
	 1,
	 cmd_submit,
	 {OPTION_SET, OPTION_WAIT, OPTION_QUIET, {NULL}}},
	{"clone",
	 "RUN",
	 "submit a run again, unchanged or with other values",
	 1,
	 1,
	 cmd_clone,
	 {{"param", 'p', "PATH=VALUE",
	   "set a field of the pipeline: /jobs/0/hyperparameters/epochs=3"},
	  OPTION_WAIT,
	  OPTION_QUIET,
	  {NULL}}},
	{"validate",
	 "FILE",
	 "check a pipeline as a submit does, and store nothing",
	 1,
	 1,
	 cmd_validate,
	 {OPTION_SET, {NULL}}},
	{"status",
	 "",
	 "show the daemon, its jobs, endpoints and costs",
	 0,
	 0,
	 cmd_status,
	 {{NULL}}},
	{"runs",
	 "",
	 "list runs, newest first",
	 0,
	 0,
	 cmd_runs,
	 {OPTION_STATE, {"name", 0, "NAME", "show only runs of this name"}, OPTION_LIMIT, {NULL}}},
	{"jobs",
	 "",
	 "list jobs, newest first",
	 0,
	 0,
	 cmd_jobs,
	 {OPTION_STATE,
	  {"run", 'r', "RUN", "show only this run"},
	  {"kind", 'k', "KIND", "show only this kind"},
	  OPTION_LIMIT,
	  {NULL}}},
	{"show",
	 "ID",
	 "show a run or job in full",
	 1,
	 1,
	 cmd_show,
	 {{"spec", 0, NULL, "print the spec as JSON; of a job with its defaults"}, {NULL}}},
	{"wait",
	 "ID",
	 "follow a run or job to its end, with progress",
	 1,
	 1,
	 cmd_wait,
	 {{"timeout", 't', "DURATION", "stop waiting after this time (exit status 1)"}, {NULL}}},
	{"logs",
	 "ID",
	 "print the log of a job",
	 1,
	 1,
	 cmd_logs,
	 {{"follow", 'f', NULL, "follow the log until the job has ended"},
	  {"tail", 't', "LINES", "show only the last LINES lines"},
	  OPTION_TRY,
	  {NULL}}},
	{"metrics",
	 "ID",
	 "show the metrics of a job",
	 1,
	 1,
	 cmd_metrics,
	 {{"name", 0, "NAME", "show only this metric"}, OPTION_TRY, {NULL}}},
	{"events",
	 "",
	 "show the events",
	 0,
	 0,
	 cmd_events,
	 {{"follow", 'f', NULL, "follow the events"},
	  {"since", 0, "SEQ", "show only events after SEQ"},
	  {"run", 'r', "RUN", "show only this run"},
	  {"job", 0, "JOB", "show only this job"},
	  {"kind", 'k', "KIND", "show only this kind, such as job_state"},
	  {NULL}}},
	{"artifacts",
	 "ID [get PATH]",
	 "list the files of a job, or fetch one",
	 1,
	 3,
	 cmd_artifacts,
	 {{"output", 'o', "FILE",
	   "write to FILE; default: the last part of PATH, '-' is standard output"},
	  OPTION_TRY,
	  {NULL}}},
	{"explain",
	 "ID",
	 "explain why a job, or the jobs of a run, do not run",
	 1,
	 1,
	 cmd_explain,
	 {{NULL}}},
	{"cancel", "ID", "cancel a run or job", 1, 1, cmd_cancel, {{NULL}}},
	{"retry",
	 "ID",
	 "run the failed, cancelled and skipped jobs again",
	 1,
	 1,
	 cmd_retry,
	 {{NULL}}},
	{"hold",
	 "ID",
	 "hold a waiting job, or all of a run, so that it does not start",
	 1,
	 1,
	 cmd_hold,
	 {{NULL}}},
	{"release", "ID", "release a held job, or all of a run", 1, 1, cmd_release, {{NULL}}},
	{"prune",
	 "",
	 "remove the files of runs that ended long ago, and keep their rows",
	 0,
	 0,
	 cmd_prune,
	 {{"older", 0, "DURATION",
	   "remove runs that ended longer ago; default: 30d, with --keep 0s"},
	  {"keep", 'k', "N", "keep the N runs that ended last"},
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
	 "set the priority of a waiting job, or of the jobs of a run",
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
	 {{"all", 'a', NULL, "list deleted and failed ones, too"},
	  OPTION_STATE,
	  OPTION_LIMIT,
	  {NULL}}},
	{"endpoint",
	 "renew|rollback|delete|show NAME",
	 "renew the lease of an endpoint, undo its last update, delete or show it",
	 2,
	 2,
	 cmd_endpoint,
	 {{"ttl", 0, "DURATION", "renew for this time; default: as deployed"},
	  {"wait", 'w', NULL, "wait until the endpoint is gone, or the roll-back has ended"},
	  {NULL}}},
	{"predict",
	 "NAME TEXT...",
	 "send texts to an endpoint; '-' reads one per line from standard input",
	 2,
	 -1,
	 cmd_predict,
	 {{"top-k", 'k', "N", "print the N best labels of each text"}, {NULL}}},
	{"model",
	 "list|add NAME PATH|add NAME hub:ORG/NAME[@REVISION]|show NAME|remove NAME",
	 "manage the registered models, which specs name in place of a path",
	 1,
	 3,
	 cmd_model,
	 {{"dry-run", 'n', NULL, "add: check the model and add nothing"}, {NULL}}},
	{"queue",
	 "",
	 "list the waiting jobs in the order in which they would start",
	 0,
	 0,
	 cmd_queue,
	 {{NULL}}},
	{"costs",
	 "",
	 "show the costs of SageMaker: today, this month, by job and endpoint, and the caps",
	 0,
	 0,
	 cmd_costs,
	 {{"from", 0, "DAY", "first day (UTC); default: the first of the month"},
	  {"to", 0, "DAY", "last day (UTC); default: today"},
	  {NULL}}},
	{"backup",
	 "[list]",
	 "make a checked copy of the daemon's database while it runs, or list the copies",
	 0,
	 1,
	 cmd_backup,
	 {{NULL}}},
	{"restore",
	 "[confirm]",
	 "tell whether a restored database waits for you, or confirm it so that jobs start",
	 0,
	 1,
	 cmd_restore,
	 {{"force", 0, NULL, "confirm although AWS was not asked about every resource"}, {NULL}}},
	{"notify",
	 "test",
	 "send a test message to the receivers of the section [notify] of the configuration",
	 1,
	 1,
	 cmd_notify,
	 {{NULL}}},
	{"doctor",
	 "",
	 "check what keeps jobs from running here, and print the line that mends it",
	 0,
	 0,
	 cmd_doctor,
	 {{NULL}}},
	{"du",
	 "[RUN...]",
	 "show the disk usage by kind and run; of named runs also by job",
	 0,
	 -1,
	 cmd_du,
	 {{NULL}}},
	{"roles",
	 "[NAME]",
	 "list the IAM roles that SageMaker may assume, or check what one of them allows",
	 0,
	 1,
	 cmd_roles,
	 {{"contains", 0, "TEXT", "show only names that contain TEXT"},
	  {"path-prefix", 0, "PATH",
	   "show only paths that begin with PATH, such as /service-role/"},
	  {"bucket", 0, "BUCKET", "of one role: check that it may read and write this bucket"},
	  OPTION_LIMIT,
	  {NULL}}},
	{"training-jobs",
	 "[NAME]",
	 "list SageMaker's training jobs of the account, newest first, or show one",
	 0,
	 1,
	 cmd_training_jobs,
	 {{"created-after", 0, "TIME",
	   "show only jobs created later: 2026-01-31 or 2026-01-31T12:00:00Z"},
	  {"created-before", 0, "TIME", "show only jobs created earlier"},
	  {"status", 0, "STATUS",
	   "show only this status: InProgress, Completed, Failed, Stopping or Stopped"},
	  {"contains", 0, "TEXT", "show only names that contain TEXT"},
	  {"region", 0, "REGION", "AWS region; default: the configured one"},
	  OPTION_LIMIT,
	  {"logs", 'l', NULL, "of one job: print its log"},
	  {"tail", 't', "LINES", "with --logs: print only the last LINES lines"},
	  {NULL}}},
	{"devices", "", "show the slots and GPUs of the machine", 0, 0, cmd_devices, {{NULL}}},
	{"version",
	 "",
	 "print the versions of this client and of the daemon",
	 0,
	 0,
	 cmd_version,
	 {{NULL}}},
};

static void print_option(const struct cli_option *o)
{
	char left[48];

	str_excerptf(left, sizeof(left), "%c%c%s --%s%s%s", o->letter ? '-' : ' ',
		     o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
		     o->value ? " " : "", o->value ? o->value : "");
	printf("  %-26s %s\n", left, o->help);
}

void command_help_all(void)
{
	puts("usage: trainyard [OPTIONS] COMMAND [ARGUMENTS]\n\nSubmits pipelines to the daemon "
	     "trainyardd, and shows and changes its jobs and endpoints.\n\ncommands:");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("  %-13s %s\n", commands[i].name, commands[i].help);
	puts("\noptions of every command:");
	for (const struct cli_option *o = command_global_options; o->name; o++)
		print_option(o);
	puts("\nAn ID is the id of a run (r...) or of a job (j...), or RUN/NAME. The client looks "
	     "for the daemon at --url,\n$TRAINYARD_URL, the unix socket in $RUNTIME_DIRECTORY or "
	     "/run/trainyard, then " DEFAULT_URL
	     ".\n\nexit status: 0 done, 1 refused or failed, 2 wrong command line, 3 no daemon "
	     "answers,\n4 the run or job that the client waited for did not succeed.\n'trainyard "
	     "COMMAND --help' prints the usage of one command.");
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
