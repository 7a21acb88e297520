/* SPDX-License-Identifier: MIT */
/* The kinds of jobs and their targets. Stored and sent as text; one table each. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define OUTPUT_CHECKPOINTS "checkpoints" /* of train and script: there if it wrote any */

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
	JOB_KINDS_, /* how many */
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
/* Names of the outputs that a reference ${job.NAME} may use; NULL-terminated, static. */
const char *const *job_kind_outputs(enum job_kind kind);
/* Where an output lies in an execution directory ("work/output/train"); NULL when it is not a
 * path (endpoint, predictions). */
const char *job_output_path(enum job_kind kind, const char *output);
/* Where the kind's main work is done in a job of `target`: train, script and deploy go there, all
 * others are done on this machine whatever the target says. */
enum job_target job_runs_at(enum job_kind kind, enum job_target target);
/* What a job holds of the machine while it is active; jobs of one place wait in one line. */
enum job_place {
	PLACE_NONE, /* nothing: the daemon does it itself */
	PLACE_CPU,
	PLACE_ENDPOINT, /* a server without a GPU */
	PLACE_GPU,
	PLACE_TRANSFER, /* upload, download, and the staging of what runs on SageMaker */
	PLACES_,
};

const char *job_place_str(enum job_place place);
enum job_place job_place_of(enum job_kind kind, enum job_target target, int gpus);
/* True if the kind starts a process of its own in the local target. (The daemon does predict and
 * delete-endpoint itself; deploy's process belongs to its endpoint.) */
bool job_kind_has_execution(enum job_kind kind);
