/* SPDX-License-Identifier: MIT */
/* Explains why a job does not run now: applies the rules of scheduler.c without starting anything.
 * Manager's thread. */
#include "base/own.h"
#include "base/str.h"
#include "daemon/execution/execution.h"
#include "daemon/restore/restore.h"
#include "daemon/sagemaker/sagemaker.h"
#include "daemon/schedule/job_state.h"
#include "daemon/schedule/placement.h"

struct answer {
	const struct job_row *job;
	struct reason reason;
	int ahead;
	bool in_line; /* True if a walk has reached it */
};

/* ---- blocked ---- */

static int explain_needs(struct manager *mgr, struct answer *a, json_t *waits, struct err *reterr)
{
	OWN(need_rows_done) struct need_rows needs = {0};
	OWN(buf_done) struct buf names = BUF_INIT(REASON_MSG_MAX / 2);
	int r = store_needs_of(mgr->store, a->job->id, &needs, reterr);

	for (size_t i = 0; r >= 0 && i < needs.n; i++) {
		const struct need_row *need = &needs.rows[i];
		const char *state = job_state_str(need->state);

		if (job_state_is_final(need->state))
			continue;
		buf_printf(&names, "%s'%s' (%s)", names.len ? ", " : "", need->name, state);
		json_array_append_new(waits, json_pack("{ss ss ss}", "job", need->job, "name",
						       need->name, "state", state));
	}
	reason_set(&a->reason, REASON_WAITING_FOR_JOBS, "waits for %s", buf_str(&names));
	return r;
}

/* ---- queued ---- */

struct walk {
	struct manager *mgr;
	struct usage *u; /* counts resources of jobs ahead in the queue, or those kept for them */
	struct answer *answers;
	size_t n;
	size_t left; /* jobs to explain that may be further behind */
	int ahead;
};

/* Apply the scheduler's decision to this job now. */
static void judge(struct walk *w, const struct job_row *job, struct reason *reason)
{
	struct execution_row row = {0};

	if (!schedule_may_start(w->mgr, w->u, job, reason))
		return;
	if (!placement_find(w->mgr, w->u, job, &row, reason))
		placement_keep(w->u, job);
	else if (w->ahead)
		reason_set(reason, REASON_WAITING_FOR_SLOT,
			   "%s%d job%s for the same kind of slot start first",
			   w->ahead >= MANAGER_LINE_MAX ? "at least " : "", w->ahead,
			   w->ahead > 1 ? "s" : "");
	else
		reason_set(reason, REASON_NONE, "the job starts now");
}

static int pass_job(void *arg, struct job_row *job, struct err *reterr)
{
	struct walk *w = arg;
	struct answer *a = w->answers, *end = a + w->n;
	struct reason reason = {0};

	(void)reterr;
	judge(w, job, &reason);
	while (a < end && !str_eq(a->job->id, job->id))
		a++;
	if (a < end) {
		a->reason = reason;
		a->ahead = w->ahead;
		a->in_line = true;
		w->left--;
	}
	w->ahead++;
	return w->left ? LINE_STAYS : LINE_ENDS;
}

/* The waiting reason for the next attempt after such an end. */
static enum reason_code code_of_wait(enum reason_code code)
{
	return code == REASON_QUOTA	    ? REASON_WAITING_FOR_QUOTA
	       : code == REASON_CAPACITY    ? REASON_WAITING_FOR_CAPACITY
	       : code == REASON_CREDENTIALS ? REASON_WAITING_FOR_CREDENTIALS
					    : REASON_WAITING_FOR_RETRY;
}

/* Explain a job that is not ready, or that is too far behind for a walk. */
static void explain_other(struct walk *w, struct answer *a)
{
	const struct job_row *job = a->job;
	char at[CLOCK_TEXT_LEN];

	a->ahead = w->ahead;
	if (job->held)
		reason_set(&a->reason, REASON_HELD, "the job is held; release it to let it start");
	else if (w->mgr->restored_us)
		restore_reason(w->mgr, &a->reason);
	else if (job->not_before_us > clock_now_us())
		reason_set(&a->reason, code_of_wait(job->reason.code),
			   "the next attempt starts at %s (%s: %s)",
			   clock_format(at, job->not_before_us), reason_code_str(job->reason.code),
			   job->reason.message);
	else
		judge(w, job, &a->reason);
}

static bool waits_in(const struct answer *a, enum job_target target, enum slot_class place)
{
	return a->job->state == STATE_QUEUED && a->job->target == target &&
	       placement_of(a->job) == place;
}

/* Explain all jobs of this queue. */
static int explain_line(struct walk *w, enum job_target target, enum slot_class place,
			struct err *reterr)
{
	int r;

	w->ahead = 0;
	w->left = 0;
	for (size_t i = 0; i < w->n; i++)
		w->left += waits_in(&w->answers[i], target, place);
	if (!w->left)
		return 0;
	r = schedule_walk(w->mgr, target, place, MANAGER_LINE_MAX, pass_job, w, reterr);
	for (size_t i = 0; r >= 0 && i < w->n; i++)
		if (waits_in(&w->answers[i], target, place) && !w->answers[i].in_line)
			explain_other(w, &w->answers[i]);
	return r;
}

static int explain_queued(struct manager *mgr, struct answer *answers, size_t n, struct err *reterr)
{
	OWN(freep) struct usage *now = usage_read(mgr), *u = calloc(1, sizeof(*u));
	struct walk w = {.mgr = mgr, .u = u, .answers = answers, .n = n};
	int r = 0;

	if (!now || !u)
		return err_errno(reterr, ENOMEM, "explain jobs");
	for (int target = 0; target < TARGETS_; target++)
		for (int place = 0; r >= 0 && place < PLACES_; place++) {
			*u = *now;
			r = explain_line(&w, (enum job_target)target, (enum slot_class)place,
					 reterr);
			now->room_known = u->room_known;
			now->no_room = u->no_room;
		}
	return r < 0 ? r : 0;
}

/* ---- all ---- */

static void explain_active(struct manager *mgr, struct answer *a)
{
	const struct execution *ex = execution_of_job(mgr, a->job->id);
	enum job_state state = a->job->state;

	if ((!a->reason.message[0] || state == STATE_STOPPING) &&
	    sagemaker_explain(mgr, a->job, &a->reason))
		return;
	if (ex && ex->unstarted)
		reason_set(&a->reason, REASON_WAITING_FOR_ROOM,
			   "the machine had no room for the job's process (disk, descriptors, "
			   "processes or memory); the daemon starts it again");
	else if (!a->reason.message[0])
		reason_set(&a->reason, a->reason.code, "the job %s%s",
			   job_state_is_final(state) && state < STATE_CANCELLED ? "has " : "is ",
			   job_state_str(state));
}

static int append(struct manager *mgr, struct answer *a, json_t *items, struct err *reterr)
{
	OWN(json_decrefp) json_t *waits = json_array();
	const struct job_row *job = a->job;
	int r = 0;

	if (job->state == STATE_BLOCKED)
		r = explain_needs(mgr, a, waits, reterr);
	else if (job->state != STATE_QUEUED)
		explain_active(mgr, a);
	if (r < 0)
		return r;
	if (json_array_append_new(
		    items, json_pack("{ss ss ss s{ss ss} sO si}", "job", job->id, "name", job->name,
				     "state", job_state_str(job->state), "reason", "code",
				     reason_code_str(a->reason.code), "message", a->reason.message,
				     "waits_for", waits, "ahead", a->ahead)) < 0)
		return err_errno(reterr, ENOMEM, "explain jobs");
	return 0;
}

int schedule_explain(struct manager *mgr, const struct job_row *const *jobs, size_t n, json_t **ret,
		     struct err *reterr)
{
	OWN(freep) struct answer *answers = calloc(n + 1, sizeof(*answers));
	OWN(json_decrefp) json_t *items = json_array();
	int r;

	if (!answers || !items)
		return err_errno(reterr, ENOMEM, "explain jobs");
	for (size_t i = 0; i < n; i++)
		answers[i] = (struct answer){.job = jobs[i], .reason = jobs[i]->reason};
	r = explain_queued(mgr, answers, n, reterr);
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = append(mgr, &answers[i], items, reterr);
	if (r >= 0)
		*ret = TAKE(items);
	return r;
}
