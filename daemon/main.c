/* SPDX-License-Identifier: MIT */
/*
 * trainyardd. Start: configuration, data directory, manager (which recovers), HTTP server, READY=1.
 * Stop (SIGTERM, SIGINT): accept nothing new, send pending replies; running executions continue and
 * are found again at the next start.
 */
#include "api/server.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/own.h"
#include "base/version.h"
#include "config/config.h"
#include "daemon/config_check.h"
#include "daemon/config_settings.h"
#include "daemon/configuration.h"
#include "daemon/options.h"
#include "daemon/restore/replace.h"
#include "daemon/run.h"
#include "daemon/systemd.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>

#define TRIM_BYTES (128 << 10)

/* Keep memory small and steady: one malloc arena for the few threads, and freed memory returns to
 * the system. */
static void set_up_memory(void)
{
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
	mallopt(M_MMAP_THRESHOLD, TRIM_BYTES);
}

/* Block the signals before any thread starts, so that each thread inherits that; the manager's loop
 * receives them by signalfd. */
static void set_up_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Block SIGHUP before any thread starts, as set_up_signals() does the others. `--adopt` does not:
 * the end of its terminal ends it. */
static void block_hangup(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int serve(const struct options *opt, const struct config *cfg, const struct settings *set,
		 struct err *reterr)
{
	OWN(configuration_done) struct configuration again = {.opt = opt, .cfg = cfg, .set = set};
	struct api_config http = {
		.listen = cfg->http_listen,
		.socket_path = cfg->http_socket,
		.data_dir = set->data_dir,
		.version = version_text(),
		.threads = cfg->http_threads,
		.connections_max = cfg->http_connections_max,
		.connections_per_peer = cfg->http_connections_per_peer,
		.bodies_max_bytes = (size_t)cfg->http_bodies_max_bytes,
		.body_max_bytes = (size_t)cfg->http_body_max_bytes,
	};
	struct manager *manager = NULL;
	struct api *api = NULL;
	int r;

	block_hangup();
	r = systemd_sockets(&http.tcp_fd, &http.unix_fd, reterr);
	if (r >= 0)
		r = manager_new(set, &manager, reterr);
	if (r < 0)
		return r;
	r = manager_on_hangup(manager, configuration_reload, &again, reterr);
	if (r >= 0)
		r = api_start(&http, manager, &api, reterr);
	if (r >= 0) {
		printf("listening on %s\n", api_url(api));
		fflush(stdout);
		systemd_state("READY=1");
		log_event(LOG_LEVEL_INFO, "started", "version=%s url=%s data_dir=%s",
			  version_text(), api_url(api), set->data_dir);
		r = manager_run(manager, reterr);
	}
	if (!api_stop(api)) /* its threads still use the manager; committed changes are on disk */
		_exit(EXIT_FAILURE);
	manager_free(manager);
	return r;
}

/* A text on a full disk must not look complete. */
static int flush_text(struct err *reterr)
{
	return fflush(stdout) == 0 && !ferror(stdout)
		       ? 0
		       : err_set(reterr, ERR_UNAVAILABLE,
				 "cannot write to standard output; the text is incomplete");
}

static int print_keys(struct err *reterr)
{
	OWN(buf_done) struct buf text = BUF_INIT(1 << 20);

	config_print(&text);
	fputs(buf_str(&text), stdout);
	return flush_text(reterr);
}

static int check(const struct config *cfg, struct err *reterr)
{
	int problems = config_check(cfg, stdout);

	if (problems)
		return err_set(reterr, ERR_INVALID, "the configuration has %d problem%s", problems,
			       problems > 1 ? "s" : "");
	puts("the configuration is right");
	return flush_text(reterr);
}

static int run(int argc, char **argv, struct err *reterr)
{
	OWN(config_freep) struct config *cfg = NULL;
	OWN(settings_done) struct machine_settings m = {0};
	struct options opt;
	int r = options_parse(argc, argv, &opt, reterr);

	if (r != 0)
		return r < 0 ? r : flush_text(reterr);
	if (opt.help_config)
		return print_keys(reterr);
	umask(077);
	r = configuration_load(&opt, &cfg, reterr);
	if (r >= 0 && opt.check)
		return check(cfg, reterr);
	if (r >= 0)
		r = settings_make(cfg, &m, reterr);
	if (r < 0)
		return r;
	configuration_set_log_level(cfg);
	set_up_memory();
	set_up_signals();
	log_event(LOG_LEVEL_INFO, "limits", "descriptors=%" PRId64, descriptors_raise());
	if (opt.restore)
		return restore_run(m.s.data_dir, opt.restore, opt.yes, reterr);
	if (opt.adopts)
		return adopt_run(&m.s, &opt.adopt, reterr);
	return serve(&opt, cfg, &m.s, reterr);
}

int main(int argc, char **argv)
{
	struct err e = {0};

	if (run(argc, argv, &e) >= 0)
		return 0;
	log_event(LOG_LEVEL_ERROR, "failed", "msg=\"%s\"", e.msg);
	return 1;
}
