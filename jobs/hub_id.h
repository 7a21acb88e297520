/* SPDX-License-Identifier: MIT */
/* Names of repositories on the Hugging Face hub: "org/name", or "name" alone for the oldest ones.
 */
#pragma once

#include <stdbool.h>

#define HUB_ENDPOINT_DEFAULT "https://huggingface.co" /* without HF_ENDPOINT */
#define HUB_ID_MAX	     96

/* The rule of huggingface_hub (validate_repo_id): one or two parts of letters, digits, '_', '-' and
 * '.', at most HUB_ID_MAX bytes, no "--" and no "..", neither end '-' or '.', not ending in ".git".
 */
bool hub_id_ok(const char *s);
/* True if the text can name a model of the hub where a path could stand too: "org/name", or one of
 * the well-known names without an organisation (bert-base-uncased, …). */
bool hub_model_ok(const char *s);
