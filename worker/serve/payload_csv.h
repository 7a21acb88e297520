/* SPDX-License-Identifier: MIT */
/*
 * Bodies and answers as text/csv, as the Hugging Face inference container takes and gives them.
 * Pure.
 *
 * A body has a header and a row for each text. The column `inputs` has the texts. Other columns are
 * ignored, as by the container, except `text_pair`: without the pair the scores would be wrong, so
 * that column is refused.
 *
 * An answer has the columns label and score, and lines that end with CR LF.
 */
#pragma once

#include "worker/serve/payload.h"

/* As payload_parse(). -ERR_INVALID names the line and the remedy. */
int payload_parse_csv(const char *text, size_t len, struct payload *ret,
		      struct err *reterr) MUSTCHECK;
/* -ERR_INVALID if an answer to `a` is no table of one row for each text. */
int payload_check_csv_answer(const struct payload *a, struct err *reterr) MUSTCHECK;
/* Print the answers of payload_answer() as CSV. The caller frees the text. NULL if memory is out.
 */
char *payload_csv_answer(const json_t *answers);
