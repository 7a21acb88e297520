/* SPDX-License-Identifier: MIT */
/*
 * trainyard-worker inspect: what a job would say of its data or of a model, for a submit. No
 * execution: standard input is {"roots", "data_dir", "specs": [{"dataset": {…}}, …], "models":
 * [DIR, …]}, each list may be absent. Standard output has one line for each item and nothing else:
 * {"spec": its index} or {"model": its index}, with "message" (and "field" of a spec) if it cannot
 * be used. Nothing is written and nothing tokenised; who has no more time ends the process.
 */
#pragma once

#define INSPECT_COMMAND	  "inspect"
#define INSPECT_INPUT_MAX (16 << 20)

/* The exit status. */
int inspect_main(void);
