/* SPDX-License-Identifier: MIT */
/*
 * The steps of `trainyardd --adopt`: find resources in all regions, name the plan, ask for
 * agreement, write the rows, and wait until unwanted resources have ended.
 */
#include "daemon/adopt/adopt.h"
#include "base/money.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/adopt/parts.h"
#include "daemon/agree.h"
#include "daemon/run.h"
#include "daemon/sagemaker/controller.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define LOOK_US	     USEC_PER_SEC
#define ALL_INSTALLS "all"
#define REGIONS_MAX  (ADOPT_REGIONS_MAX + 1)

static const char *const mode_names[] = {
	[ADOPT_LIST] = "list",
	[ADOPT_ADOPT] = "adopt",
	[ADOPT_DELETE] = "delete",
};

int adopt_mode_parse(const char *s, enum adopt_mode *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(mode_names); i++)
		if (str_eq(s, mode_names[i])) {
			*ret = (enum adopt_mode)i;
			return 0;
		}
	return -ERR_INVALID;
}

/* ---- finding ---- */

static size_t regions_of(const struct manager *mgr, const struct adopt_options *o,
			 const char *ret[REGIONS_MAX])
{
	size_t n = 0;

	ret[n++] = aws_config_region(aws_config_of(mgr->aws));
	for (size_t i = 0; i < o->regions_n; i++) {
		bool twice = false;

		for (size_t k = 0; k < n; k++)
			twice = twice || str_eq(ret[k], o->regions[i]);
		if (!twice)
			ret[n++] = o->regions[i];
	}
	return n;
}

/* Ends at once on SIGINT and SIGTERM, because nothing has been written yet. */
static int find_all(struct manager *mgr, const struct adopt_options *o, struct finds *ret,
		    struct err *reterr)
{
	const char *install = str_eq(o->install, ALL_INSTALLS) ? NULL : o->install;
	const char *regions[REGIONS_MAX];
	size_t n = regions_of(mgr, o, regions);
	sigset_t set;
	int r = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = adopt_find(mgr, regions[i], install, ret, reterr);
	if (r >= 0)
		r = adopt_describe(mgr, ret, reterr);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return r < 0 ? r : adopt_mark_known(mgr, ret, reterr);
}

/* If resources of several installations were found, the user must name one. */
static int check_installs(struct manager *mgr, const struct adopt_options *o, const struct finds *f,
			  struct err *reterr)
{
	const char *own = store_install_id(mgr->store), *other = NULL;

	for (size_t i = 0; !o->install && i < f->n; i++) {
		const struct find *it = &f->items[i];

		if (it->row[0] || str_eq(it->install, own))
			continue;
		if (other && !str_eq(other, it->install))
			return err_set(reterr, ERR_INVALID,
				       "the resources found belong to several installations (%s, "
				       "%s, …); choose one with --install ID, or each with "
				       "--install " ALL_INSTALLS,
				       other, it->install);
		other = it->install;
	}
	return 0;
}

/* ---- confirmation ---- */

static void say_plan(const struct adopt_options *o, const struct finds *f,
		     const struct adopt_counts *n)
{
	if (f->not_ours)
		printf("%zu more have names that begin with " RESOURCE_NAME_PREFIX
		       " but not Trainyard's tags: they stay unchanged.\n",
		       f->not_ours);
	if (o->mode == ADOPT_LIST)
		return;
	printf("To be adopted: %d endpoints (with %d parts), %d training jobs. To be stopped or "
	       "deleted: %d.\n",
	       n->endpoints, n->parts, n->training_jobs, n->ends);
}

/* ---- waiting ---- */

struct wait {
	struct manager *mgr;
	sd_event_source *timer;
	int left; /* -1: not checked yet */
};

static int on_look(sd_event_source *s, uint64_t at, void *userdata)
{
	struct wait *w = userdata;
	const struct reason *pause = &w->mgr->sagemaker->pause;
	struct err err = {0};
	int left;

	(void)s;
	(void)at;
	if (adopt_ending(w->mgr, &left, &err) < 0) {
		printf("cannot read the database: %s\n", err.msg);
	} else if (left == 0) {
		return sd_event_exit(w->mgr->loop, 0);
	} else if (left != w->left) {
		printf("%d still there\n", left);
		w->left = left;
	}
	if (pause->code != REASON_NONE)
		printf("waiting: %s\n", pause->message);
	fflush(stdout);
	loop_after_us(w->mgr->loop, &w->timer, LOOK_US, on_look, w);
	return 0;
}

/* Wait until all unwanted resources have ended. */
static int wait_for_ends(struct manager *mgr, int *ret_left, struct err *reterr)
{
	struct wait w = {.mgr = mgr, .left = -1};
	int r = adopt_ending(mgr, ret_left, reterr);

	if (r < 0 || !*ret_left)
		return r;
	if (loop_after_us(mgr->loop, &w.timer, 0, on_look, &w) < 0)
		return err_errno(reterr, ENOMEM, "wait for AWS");
	sagemaker_reconcile_soon(mgr);
	r = manager_run(mgr, reterr);
	loop_drop(&w.timer);
	return r < 0 ? r : adopt_ending(mgr, ret_left, reterr);
}

/* ---- all ---- */

static void print_counts(const struct adopt_options *o, const struct finds *f,
			 const struct adopt_counts *n, int left)
{
	char usd[MONEY_TEXT_LEN];
	size_t known = 0;

	for (size_t i = 0; i < f->n; i++)
		known += f->items[i].row[0] != '\0';
	printf("{\"mode\":\"%s\",\"found\":%zu,\"known\":%zu,\"unknown\":%zu,\"not_ours\":%zu,"
	       "\"usd_per_hour\":\"%s\",\"endpoints\":%d,\"training_jobs\":%d,\"parts\":%d,"
	       "\"to_delete\":%d,\"left\":%d}\n",
	       mode_names[o->mode], f->n, known, f->n - known, f->not_ours,
	       money_format(usd, adopt_total(f)), n->endpoints, n->training_jobs, n->parts, n->ends,
	       left);
	fflush(stdout);
}

static int carry_out(struct manager *mgr, const struct adopt_options *o, const struct finds *f,
		     int *ret_left, struct err *reterr)
{
	int r = adopt_store(mgr, f, reterr);

	if (r < 0)
		return r;
	return o->mode == ADOPT_DELETE ? wait_for_ends(mgr, ret_left, reterr)
				       : adopt_ending(mgr, ret_left, reterr);
}

static int run(struct manager *mgr, const struct adopt_options *o, struct err *reterr)
{
	OWN(finds_done) struct finds f = {0};
	struct adopt_counts n = {0};
	int left = 0, r;

	if (!mgr->aws)
		return err_set(reterr, ERR_UNAVAILABLE, "%s", mgr->aws_why.message);
	r = find_all(mgr, o, &f, reterr);
	if (r >= 0 && o->mode != ADOPT_LIST)
		r = check_installs(mgr, o, &f, reterr);
	if (r < 0)
		return r;
	adopt_print(&f);
	if (o->mode != ADOPT_LIST)
		adopt_plan(o->mode, &f, &n);
	say_plan(o, &f, &n);
	if (o->mode != ADOPT_LIST) {
		if (!agree(o->yes))
			return err_set(reterr, ERR_CANCELLED,
				       "nothing was changed, because the answer was no");
		r = carry_out(mgr, o, &f, &left, reterr);
	}
	if (r < 0)
		return r;
	print_counts(o, &f, &n, left);
	if (o->mode == ADOPT_DELETE && left)
		return err_set(reterr, ERR_CANCELLED,
			       "stopped while %d resources were being deleted; the next start of "
			       "the daemon deletes the rest, or give this command again",
			       left);
	return 0;
}

int adopt_run(const struct settings *set, const struct adopt_options *o, struct err *reterr)
{
	struct manager *mgr = NULL;
	int r = manager_new_ending(set, &mgr, reterr);

	if (r < 0)
		return r;
	r = run(mgr, o, reterr);
	manager_free(mgr);
	return r;
}
