/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/doctor: the checks of this machine that only the daemon can make, because it has the
 * rights and the limits that jobs will have. Runs on a thread of its own.
 */
#include "base/cgroup.h"
#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/core.h"
#include "daemon/schedule/headroom.h"
#include "daemon/submit/inspect.h"

#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#define PROGRAM_US (20 * USEC_PER_SEC)
#define SAID_MAX   128
#define ANSWER_MAX 8192
#define ADD_MODEL  "trainyard model add minilm /path/to/model, or install trainyard-model-minilm"

enum verdict {
	VERDICT_OK,
	VERDICT_OFF, /* absent, and nothing misses it */
	VERDICT_WARNING,
	VERDICT_FAILED,
};

static const char *const verdicts[] = {"ok", "off", "warning", "failed"};

/* Add a check. `remedy` NULL: there is nothing to mend. */
__attribute__((format(printf, 5, 6))) static void add(json_t *checks, const char *name,
						      enum verdict verdict, const char *remedy,
						      const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	json_t *check;
	va_list ap;

	va_start(ap, fmt);
	str_vexcerptf(text, sizeof(text), fmt, ap);
	va_end(ap);
	check = json_pack("{ss ss ss}", "check", name, "state", verdicts[verdict], "message", text);
	if (remedy)
		json_object_set_new(check, "remedy", json_string(remedy));
	json_array_append_new(checks, check);
}

/* Start a program with --version, and get the first line that it prints. */
static bool says_version(const struct settings *set, const char *path, char said[SAID_MAX],
			 struct err *reterr)
{
	OWN(json_decrefp) json_t *question = json_object();
	OWN(buf_done) struct buf answer = BUF_INIT(ANSWER_MAX);
	struct settings other = *set;

	other.worker = path;
	if (inspect_ask(&other, "--version", question, clock_mono_us() + PROGRAM_US, &answer,
			reterr) < 0)
		return false;
	str_excerptf(said, SAID_MAX, "%.*s", (int)strcspn(buf_str(&answer), "\n"),
		     buf_str(&answer));
	if (!*said)
		err_set(reterr, ERR_UNAVAILABLE, "'%s --version' printed nothing", path);
	return *said;
}

static void check_python(json_t *checks, const struct settings *set)
{
	char said[SAID_MAX];
	struct err err = {0};

	if (says_version(set, set->python, said, &err))
		add(checks, "python", VERDICT_OK, NULL, "%s is %s", set->python, said);
	else
		add(checks, "python", VERDICT_FAILED,
		    "set local.python of the configuration to an interpreter that this user can "
		    "start, such as /usr/bin/python3",
		    "%s", err.msg);
}

static void check_native(json_t *checks, const struct settings *set)
{
	const char *slash = strrchr(set->worker, '/');
	char path[PATH_MAX], said[SAID_MAX];
	struct err err = {0};

	if (!set->native)
		add(checks, "native_engine", VERDICT_OFF, NULL,
		    "this build has no native engine: scripts and SageMaker work");
	else if (str_format(path, sizeof(path), "%.*strainyard-native",
			    slash ? (int)(slash - set->worker + 1) : 0, set->worker) &&
		 says_version(set, path, said, &err))
		add(checks, "native_engine", VERDICT_OK, NULL, "%s starts", said);
	else
		add(checks, "native_engine", VERDICT_FAILED,
		    "install trainyard-native, or look at 'ldd' of that program", "%s", err.msg);
}

static void check_models(json_t *checks, const struct settings *set)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < set->models_n; i++) {
		if (path_join(path, sizeof(path), set->models[i].dir, "config.json") &&
		    access(path, R_OK) == 0)
			continue;
		add(checks, "models", VERDICT_FAILED,
		    "correct the section [models] of the configuration",
		    "the model %s: cannot read %s: %s", set->models[i].name, path, strerror(errno));
		return;
	}
	if (set->models_n)
		add(checks, "models", VERDICT_OK, NULL, "%zu of the configuration, as %s",
		    set->models_n, set->models[0].name);
	else
		add(checks, "models", VERDICT_WARNING, ADD_MODEL,
		    "the configuration names no model; specs must give paths");
}

/* True if a node /dev/nvidiaN exists that this user cannot open. */
static bool closed_node(char *path, size_t size)
{
	bool closed = false;

	for (int i = 0; i < DEVICES_MAX && !closed; i++) {
		str_must_format(path, size, "/dev/nvidia%d", i);
		closed = access(path, F_OK) == 0 && access(path, R_OK | W_OK) < 0;
	}
	return closed;
}

static void check_gpus(json_t *checks, struct manager *mgr)
{
	int n = devices_count(mgr->devices);
	char path[32];

	if (closed_node(path, sizeof(path)))
		add(checks, "gpus", VERDICT_FAILED,
		    "add the daemon's user to the group of the node (video or render), restart",
		    "cannot open %s", path);
	else if (n)
		add(checks, "gpus", VERDICT_OK, NULL, "%d, driver %s", n,
		    devices_driver(mgr->devices));
	else if (access("/dev/nvidia0", F_OK) == 0)
		add(checks, "gpus", VERDICT_FAILED,
		    "install the driver's library libnvidia-ml.so.1, or set local.nvml_library",
		    "there is a GPU, but NVML finds none");
	else
		add(checks, "gpus", VERDICT_OFF, NULL, "no NVIDIA GPU: jobs run on the CPU");
}

static void check_processes(json_t *checks)
{
	char dir[PATH_MAX];

	if (cgroup_own(dir, sizeof(dir)) < 0)
		add(checks, "processes", VERDICT_WARNING, "boot with cgroups of version 2",
		    "no cgroup of version 2: jobs end by a PID namespace or as orphans of the "
		    "daemon; memory and CPUs are not limited");
	else if (access(dir, W_OK) < 0)
		add(checks, "processes", VERDICT_OFF, NULL,
		    "the daemon's cgroup is not delegated: jobs end by a PID namespace or as "
		    "orphans of the daemon; memory and CPUs are not limited");
	else
		add(checks, "processes", VERDICT_OK, NULL,
		    "each job ends by a cgroup of its own; memory and CPUs are not limited");
}

static void check_disk(json_t *checks, struct manager *mgr)
{
	const char *dir = mgr->settings->data_dir;
	char left[32], all[32];
	struct err err = {0};
	struct statvfs vfs;

	if (headroom_check(mgr, &err) < 0 || statvfs(dir, &vfs) < 0) {
		add(checks, "disk", VERDICT_FAILED,
		    "trainyard du shows what takes the space; trainyard prune removes files of "
		    "ended runs",
		    "%s", err.code ? err.msg : strerror(errno));
		return;
	}
	str_bytes(left, sizeof(left), (int64_t)(vfs.f_bavail * vfs.f_frsize));
	str_bytes(all, sizeof(all), (int64_t)(vfs.f_blocks * vfs.f_frsize));
	add(checks, "disk", VERDICT_OK, NULL, "%s of %s free for %s", left, all, dir);
}

static void check_clock(json_t *checks)
{
	struct timex t = {0};

	if (adjtimex(&t) < 0 || t.status & STA_UNSYNC)
		add(checks, "clock", VERDICT_WARNING, "sudo timedatectl set-ntp true",
		    "the clock is not synchronised: leases and signatures for AWS depend on it");
	else
		add(checks, "clock", VERDICT_OK, NULL, "synchronised");
}

static void check_aws(json_t *checks, struct manager *mgr)
{
	const struct aws_settings *aws = &mgr->settings->aws;

	if (!mgr->aws)
		add(checks, "aws", VERDICT_WARNING, "correct the files of ~/.aws, then restart",
		    "%s", mgr->aws_why.message);
	else if (!*aws->role)
		add(checks, "aws", VERDICT_OFF, NULL,
		    "aws.role is not set: jobs on SageMaker must name a role; trainyard roles "
		    "lists them");
	else
		add(checks, "aws", VERDICT_OK, NULL,
		    "role %s%s%s; trainyard roles ROLE looks at its rights", aws->role,
		    *aws->bucket ? ", bucket " : "", aws->bucket);
}

int manager_doctor(struct manager *mgr, json_t **ret, struct err *reterr)
{
	static atomic_flag busy = ATOMIC_FLAG_INIT; /* the checks start programs */
	json_t *checks;

	if (atomic_flag_test_and_set(&busy))
		return err_set(reterr, ERR_LIMIT,
			       "another look at the machine is running; try again later");
	checks = json_array();
	check_python(checks, mgr->settings);
	check_native(checks, mgr->settings);
	check_models(checks, mgr->settings);
	check_gpus(checks, mgr);
	check_processes(checks);
	check_disk(checks, mgr);
	check_clock(checks);
	check_aws(checks, mgr);
	atomic_flag_clear(&busy);
	*ret = json_pack("{so}", "checks", checks);
	return *ret ? 0 : err_errno(reterr, ENOMEM, "look at the machine");
}
