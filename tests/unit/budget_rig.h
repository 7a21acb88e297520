/* SPDX-License-Identifier: MIT */
/* A store, prices and caps for the tests of the budget. */
#pragma once

#include "tests/unit/resource_fixture.h"

#include "base/clock.h"
#include "base/money.h"
#include "daemon/schedule/budget.h"
#include "jobs/spec/problems.h"

#define USD(n) ((int64_t)((n)*1000000 + 0.5))

struct rig {
	struct fixture *f;
	struct prices *prices;
	struct settings set;
	struct manager manager; /* of it only store and settings are looked at */
};

static inline int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct err e = {0};

	fixture_setup((void **)&rig->f);
	if (prices_new("", &rig->prices, &e) < 0)
		fail_msg("%s", e.msg);
	rig->set = (struct settings){
		.prices = rig->prices,
		.aws_region = "us-east-1",
		.money_job_max = USD(50),
		.money_day_max = USD(100),
		.money_month_max = USD(500),
		.lease_ttl_default_us = 3600 * USEC_PER_SEC,
	};
	rig->manager.settings = &rig->set;
	rig->manager.store = rig->f->st;
	clock_fake_us(T0);
	*state = rig;
	return 0;
}

static inline int rig_teardown(void **state)
{
	struct rig *rig = *state;

	clock_fake_us(0);
	fixture_teardown((void **)&rig->f);
	prices_free(rig->prices);
	free(rig);
	return 0;
}

static inline void own_prices(struct rig *rig, const char *text)
{
	struct err e = {0};

	prices_free(rig->prices);
	if (prices_new(text, &rig->prices, &e) < 0)
		fail_msg("%s", e.msg);
	rig->set.prices = rig->prices;
}

static inline json_t *spec_of(const char *text)
{
	struct err e = {0};
	json_t *spec = NULL;

	if (json_parse(text, strlen(text), &spec, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	return spec;
}
