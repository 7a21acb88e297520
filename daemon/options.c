/* SPDX-License-Identifier: MIT */
#include "daemon/options.h"

#include "base/own.h"

#include <getopt.h>

static const char help[] =
	"usage: trainyardd [OPTION...]\n"
	"\n"
	"The Trainyard daemon: takes pipelines over HTTP, keeps them in SQLite, runs their jobs.\n"
	"\n"
	"  --config FILE        read the configuration from FILE\n"
	"  --data-dir DIR       keep the database and the executions in DIR (daemon.data_dir)\n"
	"  --listen ADDR:PORT   listen on TCP (http.listen); port 0 picks one\n"
	"  --socket PATH        listen on a unix socket, too (http.socket)\n"
	"  --log-level LEVEL    error, warning, info or debug (log.level)\n"
	"  --check              say whether the configuration is right, and end\n"
	"  --help-config        print every key with its default and meaning, and end\n"
	"  --version, --help\n"
	"\n"
	"Every key can also come from the environment, as TRAINYARD_SECTION_KEY. Prints\n"
	"`listening on http://ADDR:PORT` when it is ready. SIGTERM stops it; running jobs go on "
	"and\n"
	"are found again at the next start.\n";

enum {
	OPT_CONFIG = 256,
	OPT_DATA_DIR,
	OPT_LISTEN,
	OPT_SOCKET,
	OPT_LOG_LEVEL,
	OPT_CHECK,
	OPT_HELP_CONFIG,
	OPT_VERSION,
	OPT_HELP,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, OPT_CONFIG},
	{"data-dir", required_argument, NULL, OPT_DATA_DIR},
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"socket", required_argument, NULL, OPT_SOCKET},
	{"log-level", required_argument, NULL, OPT_LOG_LEVEL},
	{"check", no_argument, NULL, OPT_CHECK},
	{"help-config", no_argument, NULL, OPT_HELP_CONFIG},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

/* 1: printed, end; 0: taken; negative: unknown. */
static int take_option(int opt, struct options *ret)
{
	switch (opt) {
	case OPT_CONFIG:
		ret->config_file = optarg;
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
	case OPT_VERSION:
		puts("trainyardd " TRAINYARD_VERSION);
		return 1;
	case OPT_HELP:
		fputs(help, stdout);
		return 1;
	}
	return -ERR_INVALID;
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
	return 0;
}
