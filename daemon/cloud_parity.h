/* SPDX-License-Identifier: MIT */
/* Does a SageMaker endpoint answer as its model did when it was trained? (model/parity.json) */
#pragma once

#include "daemon/cloud.h"

/* Answers may differ so much: other hardware, other kernels, half precision. */
#define CLOUD_PARITY_TOLERANCE 0.02
#define CLOUD_PARITY_MAX       (4 << 20) /* bytes of parity.json */
#define CLOUD_PARITY_TRIES     5

/* Inside a turn: asks after the commit, then the endpoint is in service or fails. Without a sample
 * it is in service at once, and says that the check was skipped. */
int cloud_parity_begin(struct engine *e, const struct cloud_row *row, const struct endpoint_row *ep,
		       struct err *reterr) MUSTCHECK;

/* Inside a turn: a question that is under way is given up after the commit; nobody wants to know.
 */
int cloud_parity_forget(struct engine *e, const struct cloud_row *row,
			struct err *reterr) MUSTCHECK;

/* cloud_endpoint.c; inside a turn. */
int cloud_endpoint_fail(struct engine *e, const char *endpoint, const struct reason *why,
			struct err *reterr) MUSTCHECK;
/* What a FailureReason of an endpoint is about, by its words. */
enum reason_code cloud_failure_code(const char *text);
