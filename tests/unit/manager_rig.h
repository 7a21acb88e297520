/* SPDX-License-Identifier: MIT */
/*
 * A manager for tests: a real database, real shims and real processes, without HTTP. The worker is
 * tests/fakes/worker.sh, which does what the hyperparameter "do" says. The environment names the
 * programs: TRAINYARD_SHIM, TRAINYARD_FAKE_WORKER, FAKE_NVML_LIBRARY.
 */
#pragma once

#include "daemon/run.h"

#include <pthread.h>
#include <semaphore.h>

struct rig {
	char root[64], data[96], code[96], gpus[96];
	struct settings set;
	struct prices *prices;
	struct manager *manager;
	pthread_t thread;
	int64_t since; /* seq from which this manager's feed has everything */
};

/* cmocka's setup and teardown of one test; *state is the rig, its manager runs. The second has the
 * fake NVML's state file rig->gpus, with two GPUs. */
int rig_setup(void **state);
int rig_setup_gpus(void **state);
int rig_teardown(void **state);
/* In main, before any thread. */
void rig_block_signals(void);
void rig_start(struct rig *rig);
/* The same in two steps: between them commands can be queued, which then are one batch. */
void rig_open(struct rig *rig);
void rig_run(struct rig *rig);
void rig_stop(struct rig *rig);
/* Contents of the fake NVML's state file; seen within DEVICES_REFRESH_US. */
void rig_set_gpus(struct rig *rig, const char *text);

/* Queue the command and wait for its end; returns its result. */
int rig_do(struct rig *rig, struct command *c);
/* The same in two steps. */
void rig_queue(struct rig *rig, struct command *c, sem_t *done);
void rig_wait_done(sem_t *done);
/* Run fn(manager, userdata) on the manager's thread: what it has in memory is its alone. */
void rig_look(struct rig *rig, void (*fn)(struct manager *mgr, void *userdata), void *userdata);
int rig_job_command(struct rig *rig, enum command_kind kind, const char *id, struct err *e);
/* EXPLAIN: fails the test unless the reason's code is `code` and its message has `words`. */
void rig_expect_why(struct rig *rig, const char *job, const char *code, const char *words);
/* Submit a run of these jobs (the inside of the list, JSON text); fails the test when refused. */
/* The first half of a submit: what manager_prepare says about these jobs. */
int rig_prepare(struct rig *rig, const char *jobs, struct run_spec **ret, struct err *reterr);
/* Free what a finished submit holds. */
void rig_submit_done(struct command *c);
void rig_submit(struct rig *rig, const char *jobs, char run[ID_LEN]);
/* JSON text of one script job that does `what`; `more` is further fields, each after a comma. Valid
 * until eight further calls. */
const char *rig_script(struct rig *rig, const char *name, const char *what, const char *more);

/* JSON text of one deploy job of that endpoint, likewise. The fake server says what the environment
 * variable DO asks for (tests/fakes/serve.py). */
const char *rig_deploy(struct rig *rig, const char *endpoint, const char *more);
/* Relay a request and wait for its end: 0 or what manager_invoke gave. `status` and `reply` (freed
 * by the caller) may be NULL. */
int rig_invoke(struct rig *rig, const char *endpoint, const char *body, int *status, char **reply);
void rig_wait_answer(struct rig *rig, const char *endpoint);

struct rig_end {
	char to[16], code[32], message[REASON_MSG_MAX];
	char id[ID_LEN];
	int attempt;
	int64_t seq;
};
/* Wait until job `name` of `run` has moved to `to` ("": any final state). */
struct rig_end rig_wait(struct rig *rig, const char *run, const char *name, const char *to);
void rig_expect_end(struct rig *rig, const char *run, const char *name, const char *to,
		    const char *code, const char *words);
/* The id of job `name`, from its job_created event. */
void rig_job_id(struct rig *rig, const char *run, const char *name, char id[ID_LEN]);
/* Wait until the endpoint has moved to `to` with that reason code ("": any). */
void rig_wait_endpoint(struct rig *rig, const char *name, const char *to, const char *code);
/* Wait for an event of that kind without a name. */
void rig_wait_event(struct rig *rig, const char *kind);
/* A file below rig->root. */
void rig_touch(struct rig *rig, const char *name);
