/* SPDX-License-Identifier: MIT */
/*
 * trainyard-worker inspect: for a submit, checks data and models in the way a job would. It has no
 * execution.
 * Standard input is {"roots", "data_dir", "specs": [{"dataset": {…}}, …], "models": [DIR, …]}; each
 * list may be absent. Standard output has one line per item and nothing else: {"spec": index} or
 * {"model": index}. If the item cannot be used, the line has "message" (and "field" for a spec).
 * The command writes no file and tokenises nothing. To limit its time, kill the process.
 */
#pragma once

#define INSPECT_COMMAND	  "inspect"
#define INSPECT_INPUT_MAX (16 << 20)

/* Run the command. Returns the exit status. */
int inspect_main(void);
