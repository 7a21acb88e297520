/* SPDX-License-Identifier: MIT */
/* Starts a manager on a thread of its own, and sends commands to it. */
#include "tests/unit/manager_rig.h"

#include "base/clock.h"
#include "base/fileio.h"
#include "base/money.h"
#include "base/own.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/tree.h"
#include "daemon/core.h"
#include "daemon/feed.h"
#include "tests/unit/scratch.h"
#include "tests/unit/wait.h"
#include "wire/execution.h"

#include <limits.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const char *const roots[] = {"/", NULL};

/* ---- life ---- */

static void *manager_thread(void *userdata)
{
	struct rig *rig = userdata;
	struct err e = {0};

	if (manager_run(rig->manager, &e) < 0)
		abort();
	return NULL;
}

void rig_open(struct rig *rig)
{
	struct err e = {0};

	if (manager_new(&rig->set, &rig->manager, &e) < 0)
		fail_msg("manager_new: %s", e.msg);
}

void rig_run(struct rig *rig)
{
	assert_int_equal(pthread_create(&rig->thread, NULL, manager_thread, rig), 0);
}

void rig_start(struct rig *rig)
{
	rig_open(rig);
	rig_run(rig);
}

static void stop_thread(struct rig *rig)
{
	pthread_kill(rig->thread, SIGTERM);
	pthread_join(rig->thread, NULL);
}

static void free_manager(struct rig *rig)
{
	rig->since = feed_last_seq(manager_feed(rig->manager));
	manager_free(rig->manager);
	rig->manager = NULL;
}

void rig_stop(struct rig *rig)
{
	stop_thread(rig);
	free_manager(rig);
}

void rig_block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int make_rig(struct rig *rig)
{
	char path[PATH_MAX];
	struct err e;

	scratch_make(rig->root, sizeof(rig->root), "manager");
	snprintf(rig->data, sizeof(rig->data), "%s/data", rig->root);
	snprintf(rig->code, sizeof(rig->code), "%s/code", rig->root);
	snprintf(rig->gpus, sizeof(rig->gpus), "%s/gpus", rig->root);
	snprintf(path, sizeof(path), "%s/train.py", rig->code);
	if (dir_make(AT_FDCWD, rig->data, 0700, &e) < 0 ||
	    dir_make(AT_FDCWD, rig->code, 0700, &e) < 0 ||
	    file_write_atomic(AT_FDCWD, path, "#\n", 2, 0644, &e) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/config.json", rig->code);
	if (file_write_atomic(AT_FDCWD, path, "{}\n", 3, 0644, &e) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/vocab.txt", rig->code);
	if (file_write_atomic(AT_FDCWD, path, "[UNK]\n", 6, 0644, &e) < 0)
		return -1;
	if (prices_new("", &rig->prices, &e) < 0)
		return -1;
	rig->set = (struct settings){
		.data_dir = rig->data,
		.base_dir = rig->root,
		.roots = roots,
		.worker = getenv("TRAINYARD_FAKE_WORKER"),
		.shim = getenv("TRAINYARD_SHIM"),
		.python = "/usr/bin/python3",
		.nvml_library = "",
		.native = true,
		.cpu_slots = 1,
		.cpus_per_slot = 2,
		.cpu_endpoints_max = 2,
		.gpu_memory_margin_bytes = 1 << 20,
		.log_max_bytes = 1 << 20,
		.stop_grace_us = 2 * USEC_PER_SEC,
		.inspect_us = 20 * USEC_PER_SEC,
		.lease_ttl_default_us = 3600 * USEC_PER_SEC,
		.lease_ttl_max_us = 7 * 86400 * USEC_PER_SEC,
		.endpoint_start_timeout_us = 60 * USEC_PER_SEC,
		.predict_timeout_us = 20 * USEC_PER_SEC,
		.aws_region = "us-east-1",
		.prices = rig->prices,
		.money_job_max = MONEY_NONE,
		.money_day_max = MONEY_NONE,
		.money_month_max = MONEY_NONE,
	};
	return 0;
}

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	if (make_rig(rig) < 0)
		return -1;
	*state = rig;
	rig_start(rig);
	return 0;
}

void rig_set_gpus(struct rig *rig, const char *text)
{
	struct err e;

	assert_int_equal(file_write_atomic(AT_FDCWD, rig->gpus, text, strlen(text), 0644, &e), 0);
}

int rig_setup_gpus(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	if (make_rig(rig) < 0)
		return -1;
	*state = rig;
	setenv("FAKE_NVML_STATE", rig->gpus, 1);
	rig->set.nvml_library = getenv("FAKE_NVML_LIBRARY");
	rig_set_gpus(rig, "gpu GPU-aaaa Fake 17179869184 0\ngpu GPU-bbbb Fake 17179869184 0\n");
	rig_start(rig);
	return 0;
}

/* Processes outlive the manager, as they should: end those of this test. Their shims follow. */
static void kill_executions(struct rig *rig)
{
	OWN(json_decrefp) json_t *status = manager_status(rig->manager);
	char entry[64];
	json_t *ex;
	size_t i;

	json_array_foreach(json_object_get(status, "executions"), i, ex) {
		snprintf(entry, sizeof(entry), "%s=%s", EXECUTION_ENV_ID,
			 json_get_str(ex, "execution", ""));
		proc_kill_by_env(entry, SIGKILL);
	}
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;
	struct err e;

	if (rig->manager) {
		stop_thread(rig);
		kill_executions(rig);
		free_manager(rig);
	}
	wait_until(tree_remove(AT_FDCWD, rig->root, &e) == 0); /* its shims write until they end */
	prices_free(rig->prices);
	free(rig);
	return 0;
}

/* ---- commands ---- */

static void command_done(struct command *c)
{
	sem_post(c->userdata);
}

void rig_queue(struct rig *rig, struct command *c, sem_t *done)
{
	c->done = command_done;
	c->userdata = done;
	assert_int_equal(manager_queue(rig->manager, c, &c->err), 0);
}

void rig_wait_done(sem_t *done)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until); /* ThreadSanitizer does not know sem_clockwait */
	until.tv_sec += WAIT_S;
	assert_int_equal(sem_timedwait(done, &until), 0);
}

int rig_do(struct rig *rig, struct command *c)
{
	sem_t done;

	sem_init(&done, 0, 0);
	rig_queue(rig, c, &done);
	rig_wait_done(&done);
	sem_destroy(&done);
	return c->result;
}

struct look {
	struct manager_message m; /* first */
	void (*fn)(struct manager *mgr, void *userdata);
	void *userdata;
	sem_t done;
};

static void look(struct manager *mgr, struct manager_message *m)
{
	struct look *l = (struct look *)m;

	l->fn(mgr, l->userdata);
	sem_post(&l->done);
}

void rig_look(struct rig *rig, void (*fn)(struct manager *mgr, void *userdata), void *userdata)
{
	struct look l = {.m = {.fn = look}, .fn = fn, .userdata = userdata};

	sem_init(&l.done, 0, 0);
	manager_post(rig->manager, &l.m);
	rig_wait_done(&l.done);
	sem_destroy(&l.done);
}

int rig_job_command(struct rig *rig, enum command_kind kind, const char *id, struct err *e)
{
	struct command c = {.kind = kind};
	int r;

	str_must_copy(c.id, sizeof(c.id), id);
	r = rig_do(rig, &c);
	if (e)
		*e = c.err;
	json_decref(c.answer);
	return r;
}

void rig_expect_why(struct rig *rig, const char *job, const char *code, const char *words)
{
	struct command c = {.kind = COMMAND_EXPLAIN};
	const json_t *reason;

	str_must_copy(c.id, sizeof(c.id), job);
	assert_int_equal(rig_do(rig, &c), 0);
	reason = json_object_get(c.answer, "reason");
	assert_string_equal(json_get_str(reason, "code", ""), code);
	if (!strstr(json_get_str(reason, "message", ""), words))
		fail_msg("'%s' does not have '%s'", json_get_str(reason, "message", ""), words);
	json_decref(c.answer);
}

int rig_prepare(struct rig *rig, const char *jobs, struct run_spec **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *body = NULL;
	OWN(json_decrefp) json_t *problems = json_array();
	OWN(buf_done) struct buf text = BUF_INIT(1 << 20);

	buf_printf(&text, "{\"jobs\":[%s]}", jobs);
	if (json_parse(buf_str(&text), text.len, &body, reterr) < 0)
		fail_msg("%s in %s", reterr->msg, buf_str(&text));
	return manager_prepare(rig->manager, NULL, body, false, false, ret, problems, NULL, reterr);
}

void rig_submit_done(struct command *c)
{
	run_spec_free(TAKE(c->run));
	free(TAKE(c->submitted));
}

void rig_submit(struct rig *rig, const char *jobs, char run[ID_LEN])
{
	struct command c = {.kind = COMMAND_SUBMIT};
	struct err e = {0};

	if (rig_prepare(rig, jobs, &c.run, &e) < 0)
		fail_msg("%s", e.msg);
	if (rig_do(rig, &c) < 0)
		fail_msg("submit: %s", c.err.msg);
	str_must_copy(run, ID_LEN, c.result_id);
	rig_submit_done(&c);
}

const char *rig_script(struct rig *rig, const char *name, const char *what, const char *more)
{
	static char texts[8][1024];
	static int next;
	char *text = texts[next++ % 8];

	snprintf(text, sizeof(texts[0]),
		 "{\"name\":\"%s\",\"kind\":\"script\",\"entry_point\":\"train.py\","
		 "\"source_dir\":\"%s\",\"hyperparameters\":{\"do\":\"%s\"}%s}",
		 name, rig->code, what, more);
	return text;
}

void rig_touch(struct rig *rig, const char *name)
{
	char path[PATH_MAX];
	struct err e;

	path_join(path, sizeof(path), rig->root, name);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, "", 0, 0644, &e), 0);
}
