/* SPDX-License-Identifier: MIT */
/* Names of repositories on the Hugging Face hub: "org/name", or "name" alone for the oldest models.
 * Pure; spec checks, transfers and the daemon call this. */
#pragma once

#include <stdbool.h>

#define HUB_ENDPOINT_DEFAULT "https://huggingface.co" /* used if HF_ENDPOINT is unset */
#define HUB_ID_MAX	     96

/* True if `s` satisfies huggingface_hub's validate_repo_id: one or two parts of letters, digits,
 * '_', '-' and '.', at most HUB_ID_MAX bytes, no "--" and no "..", no '-' or '.' at either end, no
 * ".git" at the end. */
bool hub_id_ok(const char *s);
/* True if the text can name a hub model where a path is allowed too: "org/name", or a well-known
 * name without an organisation (bert-base-uncased, …). */
bool hub_model_ok(const char *s);
