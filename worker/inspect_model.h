/* SPDX-License-Identifier: MIT */
/*
 * trainyard-worker inspect-model: what a job would say of the tokenizers of these model
 * directories, for a submit. No execution: standard input is {"roots", "data_dir", "models":
 * [{"dir", "rows": whether the model must have a row for each id}, …]}, standard output one line
 * for each: {"model": its index} or {"model", "error": "missing" | "unsupported" | "invalid",
 * "message"}, and nothing else. Nothing is written; who has no more time ends the process.
 */
#pragma once

#define INSPECT_MODEL_COMMAND	"inspect-model"
#define INSPECT_MODEL_INPUT_MAX (16 << 20)

/* The exit status. */
int inspect_model_main(void);
