/* SPDX-License-Identifier: MIT */
/*
 * trainyard-transfer fetch|push: carries out one list of the execution's spec.json.
 * trainyard-worker starts it (or a person, with the execution's directory in the environment). Exit
 * status 0: done; 1: failed, with a failure line in events.ndjson; 2: wrong usage.
 */
#include "base/beneath.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "base/tree.h"
#include "base/version.h"
#include "net/address.h"
#include "transfer/lists.h"
#include "wire/execution.h"
#include "wire/transfer.h"

#include <locale.h>
#include <malloc.h>
#include <string.h>
#include <sys/stat.h>

#define RESULTS_MAX	(16 << 20)
#define CONNECTIONS_MAX 16
#define CACHE_FOLDER	"cache" /* in work/, if "cache_dir" is absent */

static volatile sig_atomic_t stop_asked;

static void on_term(int sig)
{
	stop_asked = 1;
}

static int open_dirs(struct transfer *t, struct err *reterr)
{
	static char dir[PATH_MAX], work[PATH_MAX];
	const char *env = getenv(EXECUTION_ENV_DIR);

	if (!env || !realpath(env, dir) || !path_join(work, sizeof(work), dir, EXECUTION_WORK))
		return err_set(reterr, ERR_INVALID, "%s must name the execution directory",
			       EXECUTION_ENV_DIR);
	t->dir = dir;
	t->work = work;
	t->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	t->work_dirfd = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->dirfd < 0 || t->work_dirfd < 0)
		return err_errno(reterr, errno, "open %s", work);
	return 0;
}

static int read_message(struct transfer *t, json_t **ret, struct err *reterr)
{
	int r = beneath_read_json(t->dirfd, EXECUTION_SPEC, EXECUTION_SPEC_MAX, ret, reterr);

	if (r >= 0)
		r = wire_version_check(*ret, EXECUTION_SPEC, reterr);
	if (r >= 0)
		r = wire_roots_set(*ret, reterr);
	t->message = *ret;
	return r;
}

static bool is_s3(const json_t *item)
{
	return str_starts(json_get_str(item, "from", ""), "s3://") ||
	       str_starts(json_get_str(item, "to", ""), "s3://");
}

/* Open the net thread. If an entry needs AWS, its configuration is read first: it names the trusted
 * certificate authorities. */
static int open_net(struct transfer *t, const json_t *list, struct err *reterr)
{
	struct net_settings settings = {.connections_max = CONNECTIONS_MAX};
	struct aws_config_options options = {0};
	const json_t *item, *given = json_object_get(t->message, "aws");
	bool s3 = false;
	size_t i;
	int r = 0;

	json_array_foreach(list, i, item)
		s3 |= is_s3(item);
	options.profile = json_get_str(given, "profile", NULL);
	options.region = json_get_str(given, "region", NULL);
	if (s3)
		r = aws_config_load(&options, &t->aws_config, reterr);
	if (r < 0) {
		t->failure_code = "credentials";
		return r;
	}
	settings.proxies_n = address_of_proxies(settings.proxies, NET_PROXIES_MAX);
	settings.ca_bundle = t->aws_config ? aws_config_ca_bundle(t->aws_config) : NULL;
	r = net_new(&settings, &t->net, reterr);
	if (r >= 0 && t->aws_config) {
		struct aws_options o = {.config = t->aws_config, .net = t->net};

		r = aws_new(&o, &t->aws, reterr);
	}
	return r;
}

static int open_cache(struct transfer *t, struct err *reterr)
{
	const char *dir = json_get_str(t->message, "cache_dir", NULL);
	char own[PATH_MAX];

	if (!dir && !path_join(own, sizeof(own), t->work, CACHE_FOLDER))
		return err_errno(reterr, ENAMETOOLONG, "open the cache");
	return cache_open(dir ? dir : own, json_get_int(t->message, "cache_max_bytes", 0),
			  &t->cache, reterr);
}

static void read_limits(struct transfer *t)
{
	t->limits = (struct transfer_limits){
		.download = json_get_int(t->message, "max_download", TRANSFER_DOWNLOAD_MAX),
		.unpacked = json_get_int(t->message, "max_unpacked", TRANSFER_UNPACKED_MAX),
		.ratio = json_get_int(t->message, "max_ratio", TRANSFER_RATIO_MAX),
		.private_urls = json_get_bool(t->message, "allow_private_urls", false),
	};
}

/* ---- the lists ---- */

static int fetch_one(struct transfer *t, const json_t *entry, size_t index, json_t **ret_value,
		     const char **ret_pointer, struct err *reterr)
{
	struct fetch_item item = {0};
	int r = fetch_item_parse(t, entry, index, &item, reterr);

	if (r < 0)
		return r;
	*ret_pointer = item.pointer;
	if (!item.to) /* of an earlier attempt */
		r = tree_remove(AT_FDCWD, item.into, reterr);
	if (r < 0)
		return r;
	if (str_starts(item.from, "s3://"))
		return fetch_s3(t, &item, ret_value, reterr);
	if (str_starts(item.from, "hub:"))
		return fetch_hub(t, &item, ret_value, reterr);
	if (str_starts(item.from, "https://") || str_starts(item.from, "http://"))
		return fetch_url(t, &item, ret_value, reterr);
	return err_set(reterr, ERR_INVALID, "'%s' is not an s3://, https:// or hub: address",
		       item.from);
}

static int push_one(struct transfer *t, const json_t *entry, size_t index, json_t **ret_value,
		    const char **ret_pointer, struct err *reterr)
{
	struct push_item item = {0};
	int r = push_item_parse(t, entry, index, &item, reterr);

	if (r < 0)
		return r;
	*ret_pointer = item.pointer;
	return push_s3(t, &item, ret_value, reterr);
}

/* Save the results. One file has those of both lists, so existing ones are kept. */
static int save_results(struct transfer *t, json_t *results, struct err *reterr)
{
	OWN(freep) char *text = json_pretty(results);

	if (!text)
		return err_errno(reterr, ENOMEM, "write " TRANSFER_RESULTS);
	return file_write_atomic(t->work_dirfd, TRANSFER_RESULTS, text, strlen(text), 0644, reterr);
}

static int run_list(struct transfer *t, const json_t *list, struct err *reterr)
{
	bool fetch = str_eq(t->phase, "fetch");
	OWN(json_decrefp) json_t *results = NULL;
	const json_t *entry;
	size_t i;
	int r = 0;

	if (beneath_read_json(t->work_dirfd, TRANSFER_RESULTS, RESULTS_MAX, &results, NULL) < 0 ||
	    !json_is_object(results)) {
		json_decref(results);
		results = json_object();
	}
	if (fetch && json_array_size(list))
		r = dir_make(t->work_dirfd, TRANSFER_INPUTS, 0755, reterr);
	json_array_foreach(list, i, entry) {
		const char *pointer = NULL;
		json_t *value = NULL;

		if (r >= 0)
			r = transfer_stopped(t, reterr);
		if (r >= 0)
			r = fetch ? fetch_one(t, entry, i, &value, &pointer, reterr)
				  : push_one(t, entry, i, &value, &pointer, reterr);
		if (r >= 0)
			json_object_set_new(results, pointer, value);
	}
	return r < 0 ? r : save_results(t, results, reterr);
}

static int run(struct transfer *t, struct err *reterr)
{
	OWN(json_decrefp) json_t *message = NULL;
	const json_t *list;
	int r = read_message(t, &message, reterr);

	if (r < 0)
		return r;
	read_limits(t);
	list = json_object_get(message, t->phase);
	r = list_check(list, t->phase, reterr);
	if (r >= 0)
		r = open_net(t, list, reterr);
	if (r >= 0 && str_eq(t->phase, "fetch"))
		r = open_cache(t, reterr);
	if (r >= 0)
		r = run_list(t, list, reterr);
	if (r >= 0 && t->total_bytes)
		report_progress(t->report, t->phase, "bytes", t->total_bytes, t->total_bytes);
	if (t->net)
		net_stop(t->net);
	cache_close(t->cache);
	aws_free(t->aws);
	net_free(t->net);
	aws_config_free(t->aws_config);
	return r;
}

int main(int argc, char **argv)
{
	struct sigaction on_stop = {.sa_handler = on_term};
	struct transfer t = {.dirfd = -1, .work_dirfd = -1, .stop = &stop_asked};
	struct err e = {0};
	int r;

	if (argc == 2 && str_eq(argv[1], "--version"))
		return version_print("trainyard-transfer");
	if (argc != 2 || (!str_eq(argv[1], "fetch") && !str_eq(argv[1], "push"))) {
		fprintf(stderr,
			"usage: trainyard-transfer --version | fetch | push (with %s set)\n",
			EXECUTION_ENV_DIR);
		return 2;
	}
	t.phase = argv[1];
	setlocale(LC_CTYPE, "C.UTF-8");	    /* libarchive converts names by it */
	mallopt(M_MMAP_THRESHOLD, 1 << 20); /* large buffers go back to the system when freed */
	sigaction(SIGTERM, &on_stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = open_dirs(&t, &e);
	if (r >= 0)
		r = report_open(t.work_dirfd, &t.report, &e);
	if (r >= 0)
		r = run(&t, &e);
	if (r < 0) {
		fprintf(stderr, "error: %s\n", e.msg);
		if (t.report)
			report_failure(t.report, r == -ERR_CANCELLED ? "cancelled" : t.failure_code,
				       &e);
	}
	report_close(t.report);
	return r < 0;
}
