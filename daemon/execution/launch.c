/* SPDX-License-Identifier: MIT */
/*
 * Creates an execution: first its directory and spec.json (wire/execution.h, wire/README.md), then
 * its row in the transaction; after the commit start.c starts it. A crash before the commit leaves
 * a directory without a row. A crash after it leaves a complete row and directory, so that the next
 * daemon only starts the shim. Manager's thread.
 */
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "base/tree.h"
#include "daemon/execution/execution.h"
#include "daemon/execution/transfers.h"
#include "daemon/sagemaker/sagemaker.h"
#include "jobs/hub_id.h"

#include <string.h>
#include <sys/stat.h>

/* The worker's command. A train job with its own script runs as a script. */
static const char *worker_command(const struct job_row *job, bool serve,
				  const struct transfer_plan *plan)
{
	if (plan->only)
		return "transfer";
	if (serve)
		return "serve";
	if (json_object_get(job->spec, "entry_point"))
		return "script";
	return job_kind_str(job->kind);
}

static bool is_same_hub(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);

	while (n && a[n - 1] == '/')
		n--;
	while (m && b[m - 1] == '/')
		m--;
	return n == m && strncmp(a, b, n) == 0;
}

/* The daemon's hub token belongs to the daemon's hub: a job that names another hub does not get the
 * token. */
static void withhold_token(json_t *env)
{
	const char *asked = json_get_str(env, "HF_ENDPOINT", NULL), *ours = getenv("HF_ENDPOINT");

	if (!asked || is_same_hub(asked, ours && *ours ? ours : HUB_ENDPOINT_DEFAULT))
		return;
	json_object_set_new(env, "HF_HUB_DISABLE_IMPLICIT_TOKEN", json_string("1"));
	json_object_set_new(env, "HF_TOKEN", json_string(""));
	json_object_set_new(env, "HUGGING_FACE_HUB_TOKEN", json_string(""));
}

/* The job's own `environment` overrides these variables, except for scripts, whose worker passes it
 * on. */
static json_t *environment(const struct execution_row *row, const json_t *spec)
{
	OWN(buf_done) struct buf devices = BUF_INIT(SPEC_DEVICES_MAX * 64);
	json_t *env = json_object();
	const char *home = getenv("HOME");
	char cpus[16];

	snprintf(cpus, sizeof(cpus), "%d", row->cpus > 0 ? row->cpus : 1);
	for (int i = 0; i < row->devices_n; i++)
		buf_printf(&devices, "%s%s", i ? "," : "", row->device_uuids[i]);
	json_object_set_new(env, "PATH", json_string(EXECUTION_PATH));
	json_object_set_new(env, "HOME", json_string(home ? home : "/"));
	json_object_set_new(env, "LANG", json_string("C.UTF-8"));
	json_object_set_new(env, "OMP_NUM_THREADS", json_string(cpus));
	json_object_set_new(env, "CUDA_DEVICE_ORDER", json_string("PCI_BUS_ID"));
	json_object_set_new(env, "CUDA_VISIBLE_DEVICES", json_string(buf_str(&devices)));
	if (!json_object_get(spec, "entry_point"))
		json_object_update(env, json_object_get(spec, "environment"));
	withhold_token(env);
	return env;
}

static json_t *shim_part(struct manager *mgr, const struct execution_row *row, const json_t *spec,
			 const char *command, int64_t max_runtime_us)
{
	char cwd[SPEC_PATH_MAX + 8];
	json_t *exec;

	str_must_format(cwd, sizeof(cwd), "%s/" EXECUTION_WORK, row->dir);
	exec = json_pack("{s[ss] so ss ss sI sI}", "argv", mgr->settings->worker, command, "env",
			 environment(row, spec), "cwd", cwd, "owner",
			 owner_kind_str(mgr->settings->process_owner), "grace_ms",
			 (json_int_t)(mgr->settings->stop_grace_us / USEC_PER_MSEC),
			 "log_max_bytes", (json_int_t)mgr->settings->log_max_bytes);
	json_object_set_new(exec, "max_runtime_ms",
			    max_runtime_us > 0
				    ? json_integer((max_runtime_us + 999) / USEC_PER_MSEC)
				    : json_null());
	return exec;
}

/* Add the lists, and the names of the environment variables that they need. */
static void add_transfers(struct manager *mgr, const struct transfer_plan *plan, json_t *message)
{
	json_t *names = json_array(), *exec = json_object_get(message, "exec");
	char cache[SPEC_PATH_MAX];

	if (plan->place)
		json_object_set(message, "place", plan->place);
	if (!plan->fetch && !plan->push) {
		json_decref(names);
		return;
	}
	if (plan->fetch)
		json_object_set(message, "fetch", plan->fetch);
	if (plan->push)
		json_object_set(message, "push", plan->push);
	json_object_set(message, "aws", plan->aws);
	str_must_format(cache, sizeof(cache), "%s/cache", mgr->settings->data_dir);
	json_object_set_new(message, "cache_dir", json_string(cache));
	json_object_set_new(message, "cache_max_bytes",
			    json_integer(mgr->settings->cache_max_bytes));
	if (mgr->settings->max_download) { /* unit tests of the manager have no configuration */
		json_object_set_new(message, "max_download",
				    json_integer(mgr->settings->max_download));
		json_object_set_new(message, "max_unpacked",
				    json_integer(mgr->settings->max_unpacked));
		json_object_set_new(message, "max_ratio", json_integer(mgr->settings->max_ratio));
	}
	json_object_set_new(message, "allow_private_urls",
			    json_boolean(mgr->settings->allow_private_urls));
	for (const char *const *name = transfer_environment; *name; name++)
		if (getenv(*name))
			json_array_append_new(names, json_string(*name));
	json_object_set_new(exec, "inherit", names);
}

/* The checkpoints that a success of the job removes: its own, and those of earlier attempts. */
static int add_drops(struct manager *mgr, const struct job_row *job, int attempt, json_t *exec,
		     struct err *reterr)
{
	json_t *earlier = json_array();

	json_object_set_new(exec, "drop_checkpoints", json_true());
	json_object_set_new(exec, "drop_earlier", earlier);
	for (int n = 1; n < attempt; n++) {
		char path[SPEC_PATH_MAX];
		struct execution_row ex;
		int r = store_execution_of_attempt(mgr->store, job->id, n, &ex, reterr);

		if (r < 0 && r != -ERR_NOT_FOUND)
			return r;
		if (r >= 0 &&
		    path_join(path, sizeof(path), ex.dir,
			      EXECUTION_WORK "/" EXECUTION_CHECKPOINTS) &&
		    path_exists(AT_FDCWD, path))
			json_array_append_new(earlier, json_string(ex.id));
	}
	return 0;
}

static json_t *make_message(struct manager *mgr, const struct job_row *job, bool serve,
			    const struct execution_row *row, const json_t *spec, const char *resume,
			    const struct transfer_plan *plan)
{
	struct job_resources res;
	json_t *devices = json_array(), *message;

	job_resources_of(spec, &res);
	for (int i = 0; i < row->devices_n; i++)
		json_array_append_new(devices, json_string(row->device_uuids[i]));
	message =
		json_pack("{si ss ss ss si ss ss sO s{si so} so}", "v", WIRE_VERSION, "execution",
			  row->id, "job", job->id, "run", job->run, "attempt", row->attempt, "kind",
			  job_kind_str(job->kind), "name", job->name, "spec", spec, "resources",
			  "cpus", row->cpus > 0 ? row->cpus : 1, "devices", devices, "exec",
			  shim_part(mgr, row, spec, worker_command(job, serve, plan),
				    serve || sagemaker_runs(job) ? 0 : res.max_runtime_us));
	if (message) {
		json_set_str(message, "resume", resume);
		wire_roots_add(message, mgr->settings->roots, mgr->settings->data_dir);
		add_transfers(mgr, plan, message);
	}
	return message;
}

static int make_work(int dirfd, bool container, struct err *reterr)
{
	OWN(closep) int work = -1;
	int r = dir_make(dirfd, EXECUTION_WORK, 0700, reterr);

	if (r < 0 || !container)
		return r;
	work = openat(dirfd, EXECUTION_WORK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return work < 0 ? err_errno(reterr, errno, "open %s", EXECUTION_WORK)
			: transfer_write_container(work, reterr);
}

/* A daemon of a later boot neither starts an execution nor reads its spec.json, but for the staging
 * of a job on SageMaker: its file names the places of the data. Only that file is durable. */
static int write_spec(int dirfd, const char *text, bool durable, struct err *reterr)
{
	return (durable ? file_write_atomic : file_write_unsynced)(dirfd, EXECUTION_SPEC, text,
								   strlen(text), 0600, reterr);
}

static int make_directory(const struct execution_row *row, const json_t *message, bool container,
			  bool durable, struct err *reterr)
{
	OWN(freep) char *text = json_pretty(message);
	OWN(closep) int dirfd = -1;
	int r = dir_make(AT_FDCWD, row->dir, 0700, reterr);

	if (r < 0)
		return r;
	if (!text)
		return err_errno(reterr, ENOMEM, "write %s", EXECUTION_SPEC);
	dirfd = open(row->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_errno(reterr, errno, "open %s", row->dir);
	r = make_work(dirfd, container, reterr);
	return r < 0 ? r : write_spec(dirfd, text, durable, reterr);
}

/* The end of max_runtime on the wall clock; 0: never. The shim measures it with a better clock;
 * after this time a shim that was stopped is continued. */
static int64_t deadline_us(const struct job_row *job, bool serve, const json_t *spec)
{
	struct job_resources res;

	job_resources_of(spec, &res);
	return serve || sagemaker_runs(job) || res.max_runtime_us <= 0
		       ? 0
		       : clock_now_us() + res.max_runtime_us;
}

int execution_prepare(struct manager *mgr, const struct job_row *job, bool serve,
		      struct execution_row *row, const json_t *spec, const char *resume,
		      enum reason_code *ret_code, struct err *reterr)
{
	OWN(json_decrefp) json_t *message = NULL;
	OWN(transfer_plan_done) struct transfer_plan plan = {0};
	int64_t points = 0;
	int r = transfer_plan_make(mgr, job, spec, &plan, ret_code, reterr);

	if (r >= 0 && resume)
		r = store_metric_last_step(mgr->store, job->id, 1, row->attempt - 1, &points,
					   reterr);

	if (r < 0)
		return r;
	*ret_code = REASON_EXEC_FAILED;
	id_new('x', row->id);
	if (snprintf(row->dir, sizeof(row->dir), "%s/executions/%s", mgr->settings->data_dir,
		     row->id) >= (int)sizeof(row->dir))
		return err_errno(reterr, ENAMETOOLONG, "place an execution");
	row->deadline_us = deadline_us(job, serve, spec);
	message = make_message(mgr, job, serve, row, spec, resume, &plan);
	if (!message || json_object_set_new(message, "points", json_integer(points)) < 0)
		return err_errno(reterr, ENOMEM, "write %s", EXECUTION_SPEC);
	if (!sagemaker_runs(job) && json_is_false(json_object_get(spec, "keep_checkpoints")))
		r = add_drops(mgr, job, row->attempt, json_object_get(message, "exec"), reterr);
	if (r < 0)
		return r;
	r = make_directory(row, message, plan.container, sagemaker_runs(job), reterr);
	if (r < 0)
		(void)!tree_remove(AT_FDCWD, row->dir, NULL);
	return r;
}

/* ---- after the commit ---- */

static void launch_after(struct manager *mgr, void *arg, bool committed)
{
	struct execution *ex = execution_find(mgr, arg);

	free(arg);
	if (!ex)
		return;
	if (!committed) { /* no row names its directory */
		(void)!tree_remove(AT_FDCWD, ex->row.dir, NULL);
		execution_drop(mgr, ex);
		return;
	}
	execution_look_soon(mgr, ex);
}

int execution_launch(struct manager *mgr, struct execution_row *row, struct err *reterr)
{
	OWN(freep) char *id = strdup(row->id);
	struct execution *ex = NULL;
	char proof[HASH_HEX_LEN];
	int r = id ? proof_new(proof, row->proof, reterr)
		   : err_errno(reterr, ENOMEM, "start an execution");

	row->state = EXECUTION_STARTING;
	row->started_us = clock_now_us();
	str_assign(row->boot_id, mgr->boot_id);
	if (r >= 0)
		r = store_execution_insert(mgr->store, row, reterr);
	if (r >= 0) {
		ex = execution_add(mgr, row, true);
		r = ex ? 0 : err_errno(reterr, ENOMEM, "start an execution");
	}
	if (ex)
		memcpy(ex->proof, proof, sizeof(ex->proof));
	explicit_bzero(proof, sizeof(proof));
	if (r >= 0)
		txn_on_commit(mgr, launch_after, TAKE(id));
	return r;
}
