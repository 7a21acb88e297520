/* SPDX-License-Identifier: MIT */
/* The kinds and targets of jobs, with one table for each. The database and the API use their names
 * as text. Pure; every process calls this. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* an output of train and script jobs, present if the job wrote a checkpoint */
#define OUTPUT_CHECKPOINTS "checkpoints"

enum job_kind {
	JOB_PREPROCESS,
	JOB_TRAIN,
	JOB_EVALUATE,
	JOB_DEPLOY,
	JOB_PREDICT,
	JOB_DELETE_ENDPOINT,
	JOB_UPLOAD,
	JOB_DOWNLOAD,
	JOB_SCRIPT,
	JOB_KINDS_, /* the number of kinds */
};

enum job_target {
	TARGET_LOCAL,
	TARGET_SAGEMAKER,
	TARGETS_,
};

const char *job_kind_str(enum job_kind kind);
int job_kind_parse(const char *s, enum job_kind *ret); /* 0 or -EINVAL */
const char *job_target_str(enum job_target target);
int job_target_parse(const char *s, enum job_target *ret); /* 0 or -EINVAL */
/* Names of the outputs that a reference ${job.NAME} may use. NULL-terminated, static. */
const char *const *job_kind_outputs(enum job_kind kind);
/* Path of an output in an execution directory ("work/output/train"). NULL if the output is not a
 * path (endpoint, predictions). */
const char *job_output_path(enum job_kind kind, const char *output);
/* The target of the kind's main work: train, script and deploy run at `target`, every other kind
 * runs on this machine. */
enum job_target job_runs_at(enum job_kind kind, enum job_target target);
/* The kind of slot that an active job holds. Jobs of the same kind of slot wait in one queue. */
enum slot_class {
	PLACE_NONE, /* no slot: the daemon runs the job itself */
	PLACE_CPU,
	PLACE_ENDPOINT, /* a server without a GPU */
	PLACE_GPU,
	PLACE_TRANSFER, /* upload, download, and the staging of SageMaker jobs */
	PLACES_,
};

const char *slot_class_str(enum slot_class place);
enum slot_class slot_class_of(enum job_kind kind, enum job_target target, int gpus);
/* True if the kind starts its own process in the local target. predict and delete-endpoint run
 * inside the daemon; deploy's process belongs to its endpoint. */
bool job_kind_has_execution(enum job_kind kind);
