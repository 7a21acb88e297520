/* SPDX-License-Identifier: MIT */
/* The table of options, their parsing, and the text of --help. */
#include "daemon/options.h"

#include "base/own.h"
#include "base/version.h"

#include <getopt.h>

static const char help[] =
	"usage: trainyardd [OPTION...]\n\nThe Trainyard daemon: takes pipelines over HTTP, keeps "
	"them in SQLite, runs their jobs.\n\n  --config FILE        read the configuration from "
	"FILE, and then *.conf of the\n                       folder "
	"conf.d beside it\n  --vendor-dir DIR     read *.conf of DIR before; packages put files "
	"there\n  --data-dir DIR       keep the database and the executions in DIR "
	"(daemon.data_dir)\n  --listen ADDR:PORT   listen on TCP (http.listen); port 0 picks a "
	"free port\n  --socket PATH        listen on a unix socket, too (http.socket)\n  "
	"--log-level LEVEL    error, warning, info or debug (log.level)\n  --adopt[=WHAT]       "
	"look for resources with Trainyard's tags in the AWS account, and end:\n                   "
	"      list    print them with their prices (the default)\n                         adopt  "
	" adopt those that this database does not know\n                         delete  stop and "
	"delete those, and wait until they are gone\n    --region REGION    look in REGION, too; "
	"give the option again for more\n    --install ID       look only at resources of that "
	"installation; all: of each one\n  --restore FILE       put a backup in the place of the "
	"database, and end\n  --yes                --adopt and --restore: change things without a "
	"question\n  --check              check the configuration, print every problem, write "
	"nothing, and end\n  --help-config        print every key with its default and meaning, "
	"and end\n  --version, --help    print the version or this text, and end\n\nEvery key can "
	"also come from the environment, as TRAINYARD_SECTION_KEY. The daemon prints\n`listening "
	"on http://ADDR:PORT` when it is ready. SIGTERM stops the daemon; running jobs go on,\nand "
	"the next start finds them again. SIGHUP reads the configuration again.\n";

enum {
	OPT_CONFIG = 256,
	OPT_VENDOR_DIR,
	OPT_DATA_DIR,
	OPT_LISTEN,
	OPT_SOCKET,
	OPT_LOG_LEVEL,
	OPT_CHECK,
	OPT_HELP_CONFIG,
	OPT_VERSION,
	OPT_HELP,
	OPT_ADOPT,
	OPT_REGION,
	OPT_INSTALL,
	OPT_YES,
	OPT_RESTORE,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, OPT_CONFIG},
	{"vendor-dir", required_argument, NULL, OPT_VENDOR_DIR},
	{"data-dir", required_argument, NULL, OPT_DATA_DIR},
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"socket", required_argument, NULL, OPT_SOCKET},
	{"log-level", required_argument, NULL, OPT_LOG_LEVEL},
	{"check", no_argument, NULL, OPT_CHECK},
	{"help-config", no_argument, NULL, OPT_HELP_CONFIG},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
	{"adopt", optional_argument, NULL, OPT_ADOPT},
	{"region", required_argument, NULL, OPT_REGION},
	{"install", required_argument, NULL, OPT_INSTALL},
	{"yes", no_argument, NULL, OPT_YES},
	{"restore", required_argument, NULL, OPT_RESTORE},
	{0},
};

/* Returns 0 if the option was taken, negative if it is unknown. */
static int take_adopt(int opt, struct adopt_options *ret)
{
	switch (opt) {
	case OPT_ADOPT:
		return optarg ? adopt_mode_parse(optarg, &ret->mode) : 0;
	case OPT_REGION:
		if (ret->regions_n == ADOPT_REGIONS_MAX)
			return -ERR_LIMIT;
		ret->regions[ret->regions_n++] = optarg;
		return 0;
	case OPT_INSTALL:
		ret->install = optarg;
		return 0;
	}
	return -ERR_INVALID;
}

/* Returns 1 if text was printed and the program ends, 0 if the option was taken, negative if it is
 * unknown. */
static int take_option(int opt, struct options *ret)
{
	switch (opt) {
	case OPT_CONFIG:
		ret->config_file = optarg;
		return 0;
	case OPT_VENDOR_DIR:
		ret->vendor_dir = optarg;
		return 0;
	case OPT_DATA_DIR:
		ret->data_dir = optarg;
		return 0;
	case OPT_LISTEN:
		ret->listen = optarg;
		return 0;
	case OPT_SOCKET:
		ret->socket = optarg;
		return 0;
	case OPT_LOG_LEVEL:
		ret->log_level = optarg;
		return 0;
	case OPT_CHECK:
		ret->check = true;
		return 0;
	case OPT_HELP_CONFIG:
		ret->help_config = true;
		return 0;
	case OPT_RESTORE:
		ret->restore = optarg;
		return 0;
	case OPT_YES:
		ret->yes = true;
		return 0;
	case OPT_VERSION:
		(void)!version_print("trainyardd"); /* main() looks for lost output */
		return 1;
	case OPT_HELP:
		fputs(help, stdout);
		return 1;
	}
	ret->adopts = ret->adopts || opt == OPT_ADOPT;
	return take_adopt(opt, &ret->adopt);
}

static int check_together(struct options *opt, struct err *reterr)
{
	opt->adopt.yes = opt->yes;
	if (opt->adopts && opt->restore)
		return err_set(reterr, ERR_INVALID,
			       "--adopt and --restore are two steps: restore first; see --help");
	if (!opt->adopts && (opt->adopt.regions_n || opt->adopt.install))
		return err_set(reterr, ERR_INVALID,
			       "--region and --install belong to --adopt; see --help");
	if (!opt->adopts && !opt->restore && opt->yes)
		return err_set(reterr, ERR_INVALID,
			       "--yes belongs to --adopt or --restore; see --help");
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret, struct err *reterr)
{
	int opt, r;

	*ret = (struct options){0};
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		r = take_option(opt, ret);
		if (r < 0)
			return err_set(reterr, ERR_INVALID,
				       "'%s' is not an option or lacks its value; see --help",
				       argv[optind - 1]);
		if (r > 0)
			return r;
	}
	if (optind < argc)
		return err_set(reterr, ERR_INVALID, "'%s' is one word too many; see --help",
			       argv[optind]);
	return check_together(ret, reterr);
}
