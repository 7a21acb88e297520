/* SPDX-License-Identifier: MIT */
/*
 * trainyard-worker inspect-model: for a submit, checks the tokenizers and the weight files of model
 * directories in the way a job would. It refuses pointers of Git LFS in place of needed files. It
 * has no execution.
 * Standard input is {"roots", "data_dir", "models": [{"dir", "rows", "tokenizer"}, …]}; "rows" is
 * true if the job reads the weights, which must have a row for each id; "tokenizer" if the native
 * engine here reads the model. Standard output has one line per model and nothing else:
 * {"model": index}, or {"model", "error": "missing" | "unsupported" | "invalid", "message"}.
 * The command writes no file. To limit its time, kill the process.
 */
#pragma once

#define INSPECT_MODEL_COMMAND	"inspect-model"
#define INSPECT_MODEL_INPUT_MAX (16 << 20)

/* Run the command. Returns the exit status. */
int inspect_model_main(void);
