/* SPDX-License-Identifier: MIT */
/*
 * fetch_probe WORK CACHE KIND ITEM...: each ITEM (JSON of wire/transfer.h) is fetched into
 * WORK/inputs/N as a job of that kind does. One line of JSON per item on stdout: {"value": …} or
 * {"error": code, "message": …, "reason": …}. SIGTERM stops.
 */
#include "base/own.h"
#include "base/str.h"
#include "net/address.h"
#include "transfer/transfer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static volatile sig_atomic_t stop_asked;

static void on_term(int sig)
{
	stop_asked = 1;
}

void transfer_expect(struct transfer *t, int64_t bytes)
{
	__atomic_add_fetch(&t->total_bytes, bytes, __ATOMIC_RELAXED);
}

/* The tests wait for "moved" to know that bytes are coming. */
void transfer_moved(struct transfer *t, int64_t bytes)
{
	if (__atomic_fetch_add(&t->done_bytes, bytes, __ATOMIC_RELAXED) == 0)
		fprintf(stderr, "moved\n");
}

int transfer_stopped(const struct transfer *t, struct err *reterr)
{
	return *t->stop ? err_set(reterr, ERR_CANCELLED, "stopped") : 0;
}

static int fetch(struct transfer *t, const json_t *item, size_t number, json_t **value,
		 struct err *reterr)
{
	struct fetch_item it = {.pointer = json_get_str(item, "pointer", "/x"),
				.from = json_get_str(item, "from", ""),
				.sha256 = json_get_str(item, "sha256", NULL),
				.config = json_get_str(item, "config", NULL),
				.revision = json_get_str(item, "revision", NULL),
				.split = json_get_str(item, "split", NULL)};

	snprintf(it.into, sizeof(it.into), "%s/inputs/%zu", t->work, number);
	if (str_starts(it.from, "hub:"))
		return fetch_hub(t, &it, value, reterr);
	return fetch_url(t, &it, value, reterr);
}

static void say(const struct transfer *t, int r, json_t *value, const struct err *e)
{
	OWN(json_decrefp) json_t *line = NULL;
	OWN(freep) char *text = NULL;

	if (r >= 0)
		line = json_pack("{so sI sI}", "value", value, "bytes", (json_int_t)t->done_bytes,
				 "expected", (json_int_t)t->total_bytes);
	else
		line = json_pack("{si ss ss}", "error", -r, "message", e->msg, "reason",
				 t->failure_code ? t->failure_code : report_code_of(e));
	text = line ? json_text(line) : NULL;
	printf("%s\n", text ? text : "null");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct net_settings settings = {.user_agent = "trainyard-test"};
	OWN(json_decrefp) json_t *message = json_object();
	struct sigaction on_stop = {.sa_handler = on_term};
	struct transfer t = {.stop = &stop_asked, .phase = "fetch", .message = message};
	struct err e = {0};
	char inputs[PATH_MAX];
	int work;

	if (argc < 5)
		return 2;
	settings.proxies_n = address_of_proxies(settings.proxies, NET_PROXIES_MAX);
	t.limits.download = getenv("MAX_DOWNLOAD") ? atoll(getenv("MAX_DOWNLOAD")) : INT64_MAX;
	t.limits.private_urls = !getenv("PUBLIC_ONLY");
	sigaction(SIGTERM, &on_stop, NULL);
	json_object_set_new(message, "kind", json_string(argv[3]));
	t.work = argv[1];
	snprintf(inputs, sizeof(inputs), "%s/inputs", t.work);
	mkdir(inputs, 0755);
	work = open(t.work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (work < 0 || report_open(work, &t.report, &e) < 0 ||
	    net_new(&settings, &t.net, &e) < 0 || cache_open(argv[2], 1 << 20, &t.cache, &e) < 0)
		return 2;
	for (int i = 4; i < argc; i++) {
		OWN(json_decrefp) json_t *item = NULL;
		json_t *value = NULL;
		int r = json_parse(argv[i], strlen(argv[i]), &item, &e);

		t.failure_code = NULL;
		t.done_bytes = t.total_bytes = 0;
		if (r >= 0)
			r = fetch(&t, item, (size_t)i - 4, &value, &e);
		say(&t, r, value, &e);
	}
	cache_close(t.cache);
	net_free(t.net);
	report_close(t.report);
	return 0;
}
