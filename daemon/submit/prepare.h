/* SPDX-License-Identifier: MIT */
/*
 * Internal to manager_prepare(): the checks of a submit that need this machine. They run on the
 * caller's thread and block on the disk. Problems are appended to `problems`, warnings to the run's
 * warnings.
 */
#pragma once

#include "daemon/core.h"
#include "jobs/spec/problems.h"
#include "storage/store_read.h"

#include <limits.h>

struct prepare {
	struct manager *manager;
	struct store_reader *reader; /* NULL: other runs cannot be looked up */
	struct run_spec *run;
	bool is_job; /* True if the body is one job: pointers are relative to it */
	bool dry;    /* True to freeze nothing */
	json_t *problems;
	json_t *models;	    /* added models, as from store_read_models(); NULL: not looked up */
	json_t *model_dirs; /* model.c: the models to check */
};

/* ---- findings.c ---- */
/* The JSON pointer of `key` in job i; `key` may contain a '/'. Returns buf. */
const char *prepare_pointer(const struct prepare *p, size_t i, const char *key, char *buf,
			    size_t size);

/* Add a warning to the run. */
void prepare_warn(const struct prepare *p, const char *pointer, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* True if the directory has such a file, also as a link; a directory of that name is none. */
bool prepare_has_file(const char *dir, const char *name);
/* True if the path is missing because its folder was removed (storage/folder.h); that problem is
 * then added. */
bool prepare_removed(const struct prepare *p, const char *path, const char *pointer);

/* ---- submit/refs.c ---- */
/* Resolve all references of the job to other runs: look up, store by id, pin. */
int prepare_references(const struct prepare *p, struct job_spec *job, struct err *reterr) MUSTCHECK;
/* Resolve a model of the form "RUN/job". Returns 1 if it is a run's model (or its problem was
 * added), 0 if there is no such job. */
int prepare_model_of_run(const struct prepare *p, struct job_spec *job,
			 const struct spec_path *path, struct err *reterr) MUSTCHECK;

/* ---- submit/paths.c ---- */
/* The configured model of that name; NULL if there is none. */
const struct model_name *settings_model(const struct settings *set, const char *name);
/* Find the real path of a directory with a config.json, below the roots. Returns false if a problem
 * was added. */
bool prepare_directory(const struct prepare *p, const char *pointer, const char *path,
		       char real[PATH_MAX]);
/* Check one path of a spec and replace it by its result. Negative if no disk space or descriptors
 * are left for the check (headroom.h). */
int prepare_path(const struct prepare *p, struct job_spec *job, const struct spec_path *path,
		 struct err *reterr) MUSTCHECK;

/* ---- submit/model.c ---- */
/* Record a local model directory for prepare_model_dirs(), if the native engine or SageMaker's
 * container reads it for the job. */
void prepare_model_dir(const struct prepare *p, const struct job_spec *job,
		       const struct spec_path *path, const char *dir);
/* Check each recorded directory: no needed file is a pointer of Git LFS. If the engine here
 * tokenises: the ids are those of transformers, and the model has a row for each id. Blocks for at
 * most five seconds; the job itself checks the rest. */
void prepare_model_dirs(const struct prepare *p);

/* ---- submit/data.c ---- */
/* Check the data of preprocess jobs if it is small and local. Blocks for at most two seconds. Does
 * nothing if there are problems already, or if the check is impossible. */
void prepare_data(const struct prepare *p);

/* ---- submit/script.c ---- */
/* Freeze the source_dir of a job: `real`, its real path, becomes the path of the copy. Errors as in
 * prepare_path(). */
int prepare_source(const struct prepare *p, const struct spec_path *path, const char *real,
		   struct err *reterr) MUSTCHECK;
/* Check that local.python of a local script job is allowed and exists. */
void prepare_python(const struct prepare *p, const struct job_spec *job, size_t i);
