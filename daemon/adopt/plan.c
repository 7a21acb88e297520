/* SPDX-License-Identifier: MIT */
/*
 * Decides what happens to each found resource. Known resources stay unchanged, and resources that a
 * known endpoint uses belong to that endpoint. The others:
 *
 *                   adopt                                    delete
 *   endpoint        an endpoint here, with a lease            deleted
 *   config, model   part of the endpoint that uses it;        the same
 *                   used by none: deleted
 *   training job    followed to its end                       stopped
 */
#include "base/str.h"
#include "daemon/adopt/parts.h"

static bool is_any(const char *status, const char *const *of)
{
	while (*of && !str_eq(status, *of))
		of++;
	return *of != NULL;
}

/* During an update it is uncertain which config the endpoint will use. */
static bool is_settled(const struct find *endpoint)
{
	static const char *const moving[] = {"Updating", "SystemUpdating", "RollingBack", NULL};

	return !is_any(endpoint->status, moving);
}

static bool uses(const struct finds *f, const struct find *endpoint, const struct find *part)
{
	const struct find *config;

	if (!str_eq(endpoint->region, part->region))
		return false;
	if (part->kind == RESOURCE_ENDPOINT_CONFIG)
		return str_eq(adopt_config_of(endpoint), part->name);
	config = adopt_lookup(f, RESOURCE_ENDPOINT_CONFIG, endpoint->region,
			      adopt_config_of(endpoint));
	return config && str_eq(adopt_model_of(config), part->name);
}

/* True if the part was made for an endpoint of that name, possibly by an unfinished update. */
static bool was_for(const struct find *endpoint, const struct find *part)
{
	return part->endpoint[0] && str_eq(part->endpoint, endpoint->endpoint) &&
	       str_eq(part->install, endpoint->install) && str_eq(part->region, endpoint->region);
}

static void plan_part(const struct finds *f, struct find *part)
{
	const struct find *owner = NULL;
	bool used = false;

	for (size_t i = 0; i < f->n && !used; i++) {
		const struct find *ep = &f->items[i];

		if (ep->kind != RESOURCE_ENDPOINT || !ep->row_endpoint[0])
			continue;
		used = uses(f, ep, part);
		if (used || was_for(ep, part))
			owner = ep;
	}
	part->plan = owner && (used || !is_settled(owner)) ? PLAN_TAKE : PLAN_END;
	if (part->plan == PLAN_TAKE)
		str_assign(part->row_endpoint, owner->row_endpoint);
}

static void plan_main(enum adopt_mode mode, struct find *it)
{
	bool ends = mode == ADOPT_DELETE || str_eq(it->status, "Deleting");

	if (it->row[0]) /* known; only an adopted training job has no other way to end */
		ends = mode == ADOPT_DELETE && it->kind == RESOURCE_TRAINING_JOB &&
		       !it->row_owned && it->row_wanted;
	it->plan = ends ? PLAN_END : it->row[0] ? PLAN_LEAVE : PLAN_TAKE;
	if (it->plan == PLAN_TAKE && it->kind == RESOURCE_ENDPOINT)
		id_new('e', it->row_endpoint);
}

void adopt_plan(enum adopt_mode mode, struct finds *f, struct adopt_counts *ret)
{
	*ret = (struct adopt_counts){0};
	for (size_t i = 0; i < f->n; i++)
		if (f->items[i].kind == RESOURCE_ENDPOINT ||
		    f->items[i].kind == RESOURCE_TRAINING_JOB)
			plan_main(mode, &f->items[i]);
	for (size_t i = 0; i < f->n; i++) {
		struct find *it = &f->items[i];

		if ((it->kind == RESOURCE_ENDPOINT_CONFIG || it->kind == RESOURCE_MODEL) &&
		    !it->row[0])
			plan_part(f, it);
		if (it->plan == PLAN_END)
			ret->ends++;
		else if (it->plan == PLAN_TAKE)
			*(it->kind == RESOURCE_ENDPOINT	      ? &ret->endpoints
			  : it->kind == RESOURCE_TRAINING_JOB ? &ret->training_jobs
							      : &ret->parts) += 1;
	}
}
