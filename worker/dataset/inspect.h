/* SPDX-License-Identifier: MIT */
/*
 * trainyard-worker inspect: what a preprocess job would say of its data, for a submit. No
 * execution: standard input is {"roots", "data_dir", "specs": [{"dataset": {…}}, …]}, standard
 * output one line for each spec: {"spec": its index} or {"spec", "field", "message"}, and nothing
 * else. Nothing is written and nothing tokenised; who has no more time ends the process.
 */
#pragma once

#define INSPECT_COMMAND	  "inspect"
#define INSPECT_INPUT_MAX (16 << 20)

/* The exit status. */
int inspect_main(void);
