/* SPDX-License-Identifier: MIT */
/*
 * Inside of engine_prepare(): what a submit looks at on this machine, on the caller's thread.
 * Findings are appended to `problems` and to the run's warnings.
 */
#pragma once

#include "daemon/core.h"
#include "jobs/problems.h"

struct prepare {
	struct engine *engine;
	struct run_spec *run;
	bool is_job; /* the body is one job: pointers are relative to it */
	bool dry;    /* freeze nothing */
	json_t *problems;
};

/* The JSON pointer of `key` in job i; `key` may have a '/' in it. Returns buf. */
const char *prepare_pointer(const struct prepare *p, size_t i, const char *key, char *buf,
			    size_t size);

/* ---- prepare_paths.c ---- */
/* A registered model; NULL: none. */
const struct model_name *settings_model(const struct settings *set, const char *name);
/* Look at one path of a spec and write there what it stands for. Negative: the machine has no disk
 * or no descriptors left to look (headroom.h). */
int prepare_path(const struct prepare *p, const struct spec_path *path,
		 struct err *reterr) MUSTCHECK;

/* ---- prepare_script.c ---- */
/* `real`: the directory that source_dir of a job means, which becomes its frozen copy. Negative as
 * prepare_path(). */
int prepare_source(const struct prepare *p, const struct spec_path *path, const char *real,
		   struct err *reterr) MUSTCHECK;
/* local.python of a job that runs a script here: it is allowed and it is there. */
void prepare_python(const struct prepare *p, const struct job_spec *job, size_t i);
