/* SPDX-License-Identifier: MIT */
/* Counts replies and their times by route, for GET /metrics. The server's threads call this. */
#pragma once

#include "api/request.h"

struct reply_figures;

/* NULL: memory is out. */
struct reply_figures *reply_figures_new(void);
/* Count the reply that is about to be sent. A reply that flows (a log, an artifact) counts until
 * its first byte. */
void reply_figures_count(const struct request *rq);
