/* SPDX-License-Identifier: MIT */
/* The hold of a restored database, and its end. */
#include "daemon/restore/restore.h"

#include "base/log.h"
#include "base/own.h"
#include "daemon/sagemaker/sagemaker.h"
#include "storage/store_restore.h"

void restore_begin(struct manager *mgr)
{
	mgr->restored_us = store_restored_us(mgr->store);
	if (mgr->restored_us)
		log_event(LOG_LEVEL_WARNING, "restored",
			  "msg=\"the database was restored from a backup; no job starts until "
			  "'trainyard restore confirm'\"");
}

void restore_reason(const struct manager *mgr, struct reason *ret)
{
	char at[CLOCK_TEXT_LEN];

	reason_set(ret, REASON_HELD,
		   "the database was restored from a backup (at %s), so no job starts; look at the "
		   "queue, then run `trainyard restore confirm`",
		   clock_format(at, mgr->restored_us));
}

static json_t *describe(const struct manager *mgr, const struct store_restore *s)
{
	char at[CLOCK_TEXT_LEN];

	if (!mgr->restored_us)
		return json_pack("{sb sn sn si}", "pending", 0, "restored_at", "from", "unchecked",
				 0);
	return json_pack(
		"{sb ss so si}", "pending", 1, "restored_at", clock_format(at, mgr->restored_us),
		"from", s->from[0] ? json_string(s->from) : json_null(), "unchecked", s->unchecked);
}

static void end_hold(struct manager *mgr, void *arg, bool committed)
{
	mgr->restored_us = 0;
	manager_want_schedule(mgr);
	sagemaker_reconcile_soon(mgr);
}

static int confirm(struct manager *mgr, const struct store_restore *s, bool force,
		   struct err *reterr)
{
	int r;

	if (s->unchecked && !force)
		return err_set(reterr, ERR_CONFLICT,
			       "%d resource%s on SageMaker (%s%s) not been checked since the "
			       "restore; wait until AWS answers, or confirm with \"force\": true",
			       s->unchecked, s->unchecked > 1 ? "s" : "", s->unchecked_name,
			       s->unchecked > 1 ? ", …) have" : ") has");
	r = store_restore_confirm(mgr->store, reterr);
	if (r < 0)
		return r;
	txn_log(mgr, LOG_LEVEL_INFO, "restore_confirmed", "unchecked=%d", s->unchecked);
	txn_on_commit(mgr, end_hold, NULL);
	return 0;
}

int restore_command(struct manager *mgr, struct command *c, struct err *reterr)
{
	struct store_restore s = {0};
	bool confirms = c->kind == COMMAND_RESTORE_CONFIRM && mgr->restored_us;
	int r = mgr->restored_us ? store_restore_get(mgr->store, &s, reterr) : 0;

	if (r >= 0 && confirms)
		r = confirm(mgr, &s, c->number == 1, reterr);
	if (r < 0)
		return r;
	c->answer = describe(mgr, &s);
	if (confirms)
		json_object_set_new(c->answer, "pending", json_false());
	return c->answer ? 0 : err_errno(reterr, ENOMEM, "describe the restore");
}
