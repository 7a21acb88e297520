/* SPDX-License-Identifier: MIT */
/*
 * Inside of manager_prepare(): what a submit looks at on this machine, on the caller's thread.
 * Findings are appended to `problems` and to the run's warnings.
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
	bool is_job; /* the body is one job: pointers are relative to it */
	bool dry;    /* freeze nothing */
	json_t *problems;
	json_t *models;	    /* those that were added, as store_read_models(); NULL: not looked up */
	json_t *tokenizers; /* model.c: what is looked at */
};

/* ---- findings.c ---- */
/* The JSON pointer of `key` in job i; `key` may have a '/' in it. Returns buf. */
const char *prepare_pointer(const struct prepare *p, size_t i, const char *key, char *buf,
			    size_t size);

/* A finding that refuses nothing. */
void prepare_warn(const struct prepare *p, const char *pointer, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* True if the path is not there because its folder was removed (storage/folder.h): that is the
 * problem then. */
bool prepare_removed(const struct prepare *p, const char *path, const char *pointer);

/* ---- submit/refs.c ---- */
/* All references of the job to other runs: looked up, stored by id, pinned. */
int prepare_references(const struct prepare *p, struct job_spec *job, struct err *reterr) MUSTCHECK;
/* A model as "RUN/job": 1: it was a run's (or its problem is said), 0: there is no such job. */
int prepare_model_of_run(const struct prepare *p, struct job_spec *job,
			 const struct spec_path *path, struct err *reterr) MUSTCHECK;

/* ---- submit/paths.c ---- */
/* A model of the configuration; NULL: none. */
const struct model_name *settings_model(const struct settings *set, const char *name);
/* The real path of a directory with a config.json, below the roots; false: its problem is added. */
bool prepare_directory(const struct prepare *p, const char *pointer, const char *path,
		       char real[PATH_MAX]);
/* Look at one path of a spec and write there what it stands for. Negative: the machine has no disk
 * or no descriptors left to look (headroom.h). */
int prepare_path(const struct prepare *p, struct job_spec *job, const struct spec_path *path,
		 struct err *reterr) MUSTCHECK;

/* ---- submit/model.c ---- */
/* Note a local model directory for prepare_tokenizers() if the job reads its tokenizer with our
 * engine on this machine. */
void prepare_tokenizer(const struct prepare *p, const struct job_spec *job,
		       const struct spec_path *path, const char *dir);
/* Check the tokenizer of each noted directory: its ids are those of transformers, and the model has
 * a row for each. Blocks for five seconds at most; the job checks what was not reached by then. */
void prepare_tokenizers(const struct prepare *p);

/* ---- submit/data.c ---- */
/* The data of preprocess jobs as far as it is small and here; two seconds at most. Says nothing if
 * there are problems already, or if it cannot look. */
void prepare_data(const struct prepare *p);

/* ---- submit/script.c ---- */
/* `real`: the directory that source_dir of a job means, which becomes its frozen copy. Negative as
 * prepare_path(). */
int prepare_source(const struct prepare *p, const struct spec_path *path, const char *real,
		   struct err *reterr) MUSTCHECK;
/* local.python of a job that runs a script here: it is allowed and it is there. */
void prepare_python(const struct prepare *p, const struct job_spec *job, size_t i);
