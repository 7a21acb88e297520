/* SPDX-License-Identifier: MIT */
/* The list of positions, one for each row of a training job, and its look-up. */
#include "daemon/sagemaker/log_tail.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

struct sagemaker_tail *sagemaker_tail_known(struct manager *mgr, const char *row)
{
	struct sagemaker_tail *t = mgr->sagemaker->tails;

	while (t && !str_eq(t->row, row))
		t = t->next;
	return t;
}

struct sagemaker_tail *sagemaker_tail_find(struct manager *mgr, const struct resource_row *row)
{
	struct sagemaker_tail *t = sagemaker_tail_known(mgr, row->id);

	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	memcpy(t->row, row->id, sizeof(t->row));
	memcpy(t->job, row->job, sizeof(t->job));
	t->next = mgr->sagemaker->tails;
	mgr->sagemaker->tails = t;
	return t;
}

static void tail_free(struct sagemaker_tail *t)
{
	sagemaker_metrics_free(t->metrics);
	free(t);
}

void sagemaker_log_forget(struct manager *mgr, const char *row)
{
	for (struct sagemaker_tail **at = &mgr->sagemaker->tails; *at; at = &(*at)->next) {
		if (str_eq((*at)->row, row)) {
			struct sagemaker_tail *t = *at;

			*at = t->next;
			tail_free(t);
			return;
		}
	}
}

void sagemaker_tails_free(struct sagemaker *c)
{
	while (c->tails) {
		struct sagemaker_tail *t = c->tails;

		c->tails = t->next;
		tail_free(t);
	}
}
