/* SPDX-License-Identifier: MIT */
/* GET /metrics: Prometheus' text format. The server's threads run this. */
#include "api/figures.h"

#include "api/handlers.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/exposition.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/manager.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define TEXT_MAX     (1 << 20)
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define CLASSES	     6 /* statuses by their first digit; 0: none */

/* Of one route. struct api has ROUTES_MAX + 1 of them; the first one is for requests of none. */
struct reply_figures {
	_Atomic(const struct route *) route; /* NULL: none, or never asked for */
	_Atomic uint64_t classes[CLASSES];
	struct histogram duration;
};

struct reply_figures *reply_figures_new(void)
{
	return calloc(ROUTES_MAX + 1, sizeof(struct reply_figures));
}

void reply_figures_count(const struct request *rq)
{
	struct reply_figures *f = &rq->api->figures[rq->route_n];
	unsigned class = rq->status / 100;

	atomic_store_explicit(&f->route, rq->route, memory_order_relaxed);
	atomic_fetch_add_explicit(&f->classes[class < CLASSES ? class : 0], 1,
				  memory_order_relaxed);
	histogram_add(&f->duration, clock_mono_us() - rq->since_us);
}

/* ---- the writers ---- */

static void write_classes(const struct reply_figures *f, const char *method, const char *pattern,
			  struct buf *out)
{
	static const char *const classes[CLASSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

	for (size_t c = 0; c < CLASSES; c++)
		if (atomic_load(&f->classes[c]))
			exposition_int(out, "trainyard_http_requests_total",
				       (int64_t)atomic_load(&f->classes[c]), "method", method,
				       "route", pattern, "status", classes[c], NULL);
}

static void write_durations(const struct reply_figures *f, const char *method, const char *pattern,
			    struct buf *out)
{
	exposition_histogram(out, "trainyard_http_request_duration_seconds", &f->duration, "method",
			     method, "route", pattern, NULL);
}

/* Call `write` for each route that was asked for, and for requests without a route. */
static void each_route(const struct reply_figures *figures,
		       void (*write)(const struct reply_figures *f, const char *method,
				     const char *pattern, struct buf *out),
		       struct buf *out)
{
	for (size_t i = 0; i <= ROUTES_MAX; i++) {
		const struct route *route = atomic_load(&figures[i].route);

		if (route || !i)
			write(&figures[i], route ? route->method : "", route ? route->pattern : "",
			      out);
	}
}

static void write_replies(const struct reply_figures *figures, struct buf *out)
{
	exposition_family(out, "trainyard_http_requests_total", "counter",
			  "Replies by route and class of the status.");
	each_route(figures, write_classes, out);
	exposition_family(out, "trainyard_http_request_duration_seconds", "histogram",
			  "Time from the request's first line to its reply.");
	each_route(figures, write_durations, out);
}

static void write_jobs(const struct job_counts *counts, struct buf *out)
{
	exposition_family(out, "trainyard_jobs", "gauge", "Stored jobs by kind and state.");
	for (int k = 0; k < JOB_KINDS_; k++)
		for (int s = 0; s < JOB_STATES_; s++)
			exposition_int(out, "trainyard_jobs", counts->n[k][s], "kind",
				       job_kind_str((enum job_kind)k), "state",
				       job_state_str((enum job_state)s), NULL);
}

/* Write one of the objects of store_read_counts(). */
static void write_states(const char *name, const char *help, json_t *counts, struct buf *out)
{
	const char *state;
	json_t *n;

	exposition_family(out, name, "gauge", help);
	json_object_foreach(counts, state, n)
		exposition_int(out, name, json_integer_value(n), "state", state, NULL);
}

/* A sum of store_read_money(), decimal text. null: no cap, no sample. */
static void write_sum(const char *name, const json_t *money, const char *period, const char *key,
		      const char *label, struct buf *out)
{
	const char *text = json_get_str(json_object_get(money, period), key, NULL);
	int64_t micro_usd;

	if (text && money_parse(text, &micro_usd) >= 0)
		exposition_micro(out, name, micro_usd, "period", period, "part", label, NULL);
}

static void write_money(const json_t *money, struct buf *out)
{
	static const char *const periods[] = {"today", "month"};

	exposition_family(
		out, "trainyard_money_usd", "gauge",
		"Estimated costs on SageMaker: settled, reserved, and left below the cap.");
	for (size_t i = 0; i < ARRAY_LEN(periods); i++) {
		write_sum("trainyard_money_usd", money, periods[i], "settled_usd", "settled", out);
		write_sum("trainyard_money_usd", money, periods[i], "reserved_usd", "reserved",
			  out);
		write_sum("trainyard_money_usd", money, periods[i], "left_usd", "left", out);
	}
}

static void write_gpu(const char *name, const char *help, const json_t *items, const char *key,
		      struct buf *out)
{
	size_t i;
	json_t *gpu;
	char index[16];

	exposition_family(out, name, "gauge", help);
	json_array_foreach(items, i, gpu) {
		str_must_format(index, sizeof(index), "%d", (int)json_get_int(gpu, "index", 0));
		exposition_int(out, name, json_get_int(gpu, key, 0), "gpu", index, "uuid",
			       json_get_str(gpu, "uuid", ""), "name", json_get_str(gpu, "name", ""),
			       NULL);
	}
}

static void write_devices(struct manager *mgr, struct buf *out)
{
	OWN(json_decrefp) json_t *devices = manager_devices(mgr);
	const json_t *items = json_object_get(devices, "items");
	const json_t *slots = json_object_get(devices, "cpu_slots");

	write_gpu("trainyard_gpu_memory_total_bytes", "Memory of a GPU.", items,
		  "memory_total_bytes", out);
	write_gpu("trainyard_gpu_memory_used_bytes", "Memory of a GPU in use, by anybody.", items,
		  "memory_used_bytes", out);
	write_gpu("trainyard_gpu_utilization_percent", "Utilization of a GPU.", items,
		  "utilization_percent", out);
	write_gpu("trainyard_gpu_temperature_celsius", "Temperature of a GPU.", items,
		  "temperature_c", out);
	exposition_family(out, "trainyard_cpu_slots", "gauge", "CPU slots: total and used.");
	exposition_int(out, "trainyard_cpu_slots", json_get_int(slots, "total", 0), "part", "total",
		       NULL);
	exposition_int(out, "trainyard_cpu_slots", json_get_int(slots, "used", 0), "part", "used",
		       NULL);
}

/* The standard names of Prometheus' client libraries. */
static void write_process(struct buf *out)
{
	struct rusage use = {0};
	struct rlimit limit = {0};
	int64_t pages = 0, fds = -1; /* the directory itself is open, too */
	OWN(closedirp) DIR *dir = opendir("/proc/self/fd");
	OWN(fclosep) FILE *statm = fopen("/proc/self/statm", "re");

	getrusage(RUSAGE_SELF, &use);
	getrlimit(RLIMIT_NOFILE, &limit);
	for (const struct dirent *e; dir && (e = readdir(dir));)
		fds += e->d_name[0] != '.';
	if (statm && fscanf(statm, "%*d %" SCNd64, &pages) != 1)
		pages = 0;
	exposition_family(out, "process_cpu_seconds_total", "counter", "CPU time of the daemon.");
	exposition_micro(out, "process_cpu_seconds_total",
			 (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * USEC_PER_SEC +
				 use.ru_utime.tv_usec + use.ru_stime.tv_usec,
			 NULL);
	exposition_family(out, "process_resident_memory_bytes", "gauge", "Memory of the daemon.");
	exposition_int(out, "process_resident_memory_bytes", pages * sysconf(_SC_PAGESIZE), NULL);
	exposition_family(out, "process_open_fds", "gauge", "Open descriptors of the daemon.");
	exposition_int(out, "process_open_fds", fds, NULL);
	exposition_family(out, "process_max_fds", "gauge", "Limit of open descriptors.");
	exposition_int(out, "process_max_fds", (int64_t)limit.rlim_cur, NULL);
}

/* ---- the handler ---- */

static int write_store(struct request *rq, struct store_reader *sr, struct buf *out,
		       struct err *reterr)
{
	OWN(json_decrefp) json_t *counts = NULL, *money = NULL;
	struct job_counts jobs;
	struct money_caps caps = manager_money_caps(rq->api->manager);
	int r = store_read_job_counts(sr, &jobs, reterr);

	if (r >= 0)
		r = store_read_counts(sr, &counts, reterr);
	if (r >= 0)
		r = store_read_money(sr, &caps, clock_now_us(), &money, reterr);
	if (r < 0)
		return r;
	write_jobs(&jobs, out);
	write_states("trainyard_runs", "Stored runs by state.", json_object_get(counts, "runs"),
		     out);
	write_states("trainyard_endpoints", "Stored endpoints by state.",
		     json_object_get(counts, "endpoints"), out);
	write_money(money, out);
	return 0;
}

void metrics_text(struct request *rq)
{
	OWN(buf_done) struct buf out = BUF_INIT(TEXT_MAX);
	struct store_reader *sr = request_reader(rq);
	struct err e;
	size_t len;
	int r;

	if (!sr)
		return;
	exposition_family(&out, "trainyard_info", "gauge", "The daemon's version.");
	exposition_int(&out, "trainyard_info", 1, "version", rq->api->version, NULL);
	exposition_family(&out, "trainyard_ready", "gauge", "1 if GET /readyz says ready.");
	exposition_int(&out, "trainyard_ready", manager_ready(rq->api->manager, &e) >= 0, NULL);
	r = write_store(rq, sr, &out, &e);
	if (r < 0) {
		reply_error(rq, r, &e);
		return;
	}
	write_devices(rq->api->manager, &out);
	manager_figures(rq->api->manager, &out);
	write_replies(rq->api->figures, &out);
	write_process(&out);
	if (!buf_ok(&out)) {
		reply_problem(rq, 500, "internal", "the figures are larger than %d bytes",
			      TEXT_MAX);
		return;
	}
	len = out.len;
	reply_bytes(rq, 200, CONTENT_TYPE, buf_take(&out), len);
}
