/* SPDX-License-Identifier: MIT */
/*
 * trainyard: the command line client. Parses one command line, finds the daemon, and runs the
 * command from the table in commands.c.
 */
#include "base/own.h"
#include "base/str.h"
#include "base/version.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/terminal.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define DEFAULT_SOCKET_DIR "/run/trainyard"

/* Find the option of `word` ("--set=x", "--json", "-f"), of the command or of all commands. */
static const struct cli_option *find_option(const struct cli *c, const char *word)
{
	const struct cli_option *tables[] = {command_global_options,
					     c->command ? c->command->options : NULL};
	size_t n = strcspn(word, "=");

	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (const struct cli_option *o = tables[t]; o && o->name; o++) {
			if (word[1] != '-' && o->letter == word[1] && !word[2])
				return o;
			if (word[1] == '-' && strlen(o->name) == n - 2 &&
			    strncmp(o->name, word + 2, n - 2) == 0)
				return o;
		}
	return NULL;
}

static int usage_error(const struct cli *c, const char *what, const char *word)
{
	fprintf(stderr, "trainyard: %s '%s'; see 'trainyard %s%s--help'\n", what, word,
		c->command ? c->command->name : "", c->command ? " " : "");
	if (c->command)
		fprintf(stderr, "usage: trainyard %s [OPTIONS] %s\n", c->command->name,
			c->command->arguments);
	return CLI_USAGE;
}

/* Take the option at argv[*i]. Returns 0 or an exit status. */
static int take_option(struct cli *c, char **argv, int *i)
{
	const char *word = argv[*i], *value = strchr(word, '=');
	const struct cli_option *o = find_option(c, word);

	if (!o)
		return usage_error(c, "there is no option", word);
	if (!o->value && value)
		return usage_error(c, "this option takes no value:", word);
	if (o->value && !value && !argv[*i + 1])
		return usage_error(c, "this option needs a value:", word);
	if (o->value)
		value = value ? value + 1 : argv[++*i];
	c->given[c->given_n].name = o->name;
	c->given[c->given_n++].value = o->value ? value : "";
	return 0;
}

/* Parse the command line. Returns 0, or an exit status after a message. */
static int parse(struct cli *c, int argc, char **argv)
{
	bool options = true;
	int r = 0;

	if (argc > CLI_WORDS_MAX)
		return usage_error(c, "there are too many words after", argv[CLI_WORDS_MAX - 1]);
	for (int i = 1; i < argc && r == 0; i++) {
		if (options && str_eq(argv[i], "--")) {
			options = false;
		} else if (options && argv[i][0] == '-' && argv[i][1]) {
			r = take_option(c, argv, &i);
		} else if (!c->command && !str_eq(argv[i], "help")) {
			c->command = command_find(argv[i]);
			r = c->command ? 0 : CLI_USAGE;
		} else if (c->command) {
			c->args[c->args_n++] = argv[i];
		}
	}
	return r;
}

/* True if a server listens on this unix socket. */
static bool socket_answers(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	OWN(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && str_copy(addr.sun_path, sizeof(addr.sun_path), path) &&
	       connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
}

static void find_daemon(struct cli *c, char *buf, size_t size)
{
	const char *dir = getenv("RUNTIME_DIRECTORY"), *env = getenv("TRAINYARD_URL");

	c->url = cli_get(c, "url");
	if (!c->url && env && env[0])
		c->url = env;
	if (c->url)
		return;
	if (!str_format(buf, size, "unix:%s/trainyard.sock",
			dir && dir[0] ? dir : DEFAULT_SOCKET_DIR))
		buf[strlen("unix:")] = '\0'; /* no socket has such a path */
	c->url = socket_answers(buf + strlen("unix:")) ? buf : DEFAULT_URL;
}

/* Answer --version, --help or a command line without a command. Returns false if a command runs. */
static bool print_help(const struct cli *c)
{
	if (cli_get(c, "version"))
		(void)!version_print("trainyard"); /* main() looks for lost output */
	else if (!c->command)
		command_help_all();
	else if (cli_get(c, "help"))
		command_help(c->command);
	else
		return false;
	return true;
}

/* The exit status: output that was lost, now or before, makes a success a failure. */
static int flush_output(int r)
{
	bool whole = fflush(stdout) == 0 && !ferror(stdout);

	return whole || r != CLI_OK ? r : CLI_FAILED;
}

int main(int argc, char **argv)
{
	struct cli c = {0};
	struct err e = {0};
	char url[256];
	int r;

	terminal_open();
	r = parse(&c, argc, argv);
	if (r)
		return r;
	if (print_help(&c))
		return flush_output(argc > 1 ? CLI_OK : CLI_USAGE);
	if (c.args_n < c.command->min)
		return usage_error(&c, "an argument is missing:", c.command->arguments);
	if (c.command->max >= 0 && c.args_n > c.command->max)
		return usage_error(&c, "there is one argument too many:", c.args[c.command->max]);
	c.json = cli_get(&c, "json") != NULL;
	find_daemon(&c, url, sizeof(url));
	if (http_open(c.url, &c.http, &e) < 0) {
		cli_fail(&c, &e);
		return CLI_USAGE;
	}
	r = c.command->run(&c);
	http_free(c.http);
	return flush_output(r);
}
