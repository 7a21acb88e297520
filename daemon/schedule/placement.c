/* SPDX-License-Identifier: MIT */
/*
 * Sums what executions hold, chooses GPUs and CPUs, and says why a GPU or a slot cannot be used. Of
 * the GPUs that are possible, the one with the most free memory is taken.
 */
#include "daemon/schedule/placement.h"

#include "base/own.h"
#include "base/str.h"
#include "daemon/endpoint/endpoint.h"
#include "daemon/execution/execution.h"
#include "daemon/schedule/headroom.h"

#include <string.h>

static void add_foreign(struct usage *u, int i)
{
	const struct device *dev = &u->list.items[i];
	int64_t ours = 0;

	for (int p = 0; p < dev->processes_n; p++) {
		const struct device_process *proc = &dev->processes[p];
		char id[ID_LEN];

		if (proc_env(proc->pid, EXECUTION_ENV_ID, id, sizeof(id))) {
			ours += proc->used_bytes;
			continue;
		}
		u->foreign[i] += proc->used_bytes;
		if (proc->used_bytes > u->foreign_top[i].used_bytes)
			u->foreign_top[i] = *proc;
	}
	/* Memory without a listed process (another container, the driver) is foreign, too. */
	if (dev->used_bytes - ours > u->foreign[i])
		u->foreign[i] = dev->used_bytes - ours;
}

struct usage *usage_read(struct manager *mgr)
{
	struct usage *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	devices_snapshot(mgr->devices, &u->list);
	for (int i = 0; i < u->list.n; i++)
		add_foreign(u, i);
	for (const struct execution *ex = mgr->executions; ex; ex = ex->next) {
		const struct execution_row *row = &ex->row;

		if (row->cpus == 0)
			u->transfers++;
		else if (!row->devices_n && row->endpoint[0])
			u->cpu_endpoints++;
		else if (!row->devices_n)
			u->job_cpus += row->cpus;
		for (int i = 0; i < row->devices_n; i++) {
			int dev = row->devices[i];

			u->sharers[dev]++;
			if (row->gpu_memory_bytes)
				u->reserved[dev] += row->gpu_memory_bytes;
			else
				u->whole[dev] = true;
		}
	}
	return u;
}

bool usage_has_room(struct manager *mgr, struct usage *u, struct reason *reason)
{
	struct err missing = {0};

	if (!u->room_known && headroom_check(mgr, &missing) < 0)
		reason_set(&u->no_room, REASON_WAITING_FOR_ROOM, "%s", missing.msg);
	u->room_known = true;
	if (u->no_room.code == REASON_NONE)
		return true;
	*reason = u->no_room;
	return false;
}

enum slot_class placement_of(const struct job_row *job)
{
	struct job_resources res;

	job_resources_of(job->spec, &res);
	return slot_class_of(job->kind, job->target, res.gpus);
}

static bool wished(const struct job_resources *res, int index)
{
	if (!res->devices_n)
		return true;
	for (int i = 0; i < res->devices_n; i++)
		if (res->devices[i] == index)
			return true;
	return false;
}

/* Append why this GPU cannot be used. Returns false if it can. */
static bool gpu_refuses(struct manager *mgr, const struct usage *u, const struct job_resources *res,
			int i, struct buf *text)
{
	const struct device *dev = &u->list.items[i];
	int64_t margin = mgr->settings->gpu_memory_margin_bytes;
	char held[24], wanted[24], name[64] = "";

	if (dev->lost) {
		buf_printf(text, "GPU %d: lost (the driver does not reach it)", dev->index);
	} else if (u->kept[i]) {
		buf_printf(text, "GPU %d: kept for a job ahead in the queue", dev->index);
	} else if (u->whole[i] || (!res->gpu_memory_bytes && u->sharers[i])) {
		buf_printf(text, "GPU %d: held by another job", dev->index);
	} else if (res->gpu_memory_bytes ? u->reserved[i] + u->foreign[i] + res->gpu_memory_bytes >
						   dev->total_bytes
					 : u->foreign[i] > margin) {
		proc_name(u->foreign_top[i].pid, name, sizeof(name));
		str_bytes(wanted, sizeof(wanted), res->gpu_memory_bytes);
		if (u->foreign_top[i].pid)
			buf_printf(text, "GPU %d: pid %d%s%s%s holds %s", dev->index,
				   (int)u->foreign_top[i].pid, name[0] ? " (" : "", name,
				   name[0] ? ")" : "",
				   str_bytes(held, sizeof(held), u->foreign_top[i].used_bytes));
		else
			buf_printf(text, "GPU %d: %s of its memory is in use", dev->index,
				   str_bytes(held, sizeof(held), u->foreign[i] + u->reserved[i]));
		if (res->gpu_memory_bytes)
			buf_printf(text, ", and the job needs %s", wanted);
	} else {
		return false;
	}
	return true;
}

/* Prefer the most free memory, so that sharing jobs spread. */
static int best_device(struct manager *mgr, const struct usage *u, const struct job_resources *res,
		       const struct execution_row *taken, struct buf *text)
{
	int64_t best_free = -1;
	int best = -1;

	for (int i = 0; i < u->list.n; i++) {
		int64_t left = u->list.items[i].total_bytes - u->foreign[i] - u->reserved[i];
		bool used = false;

		for (int t = 0; t < taken->devices_n; t++)
			used |= taken->devices[t] == i;
		if (used || !wished(res, u->list.items[i].index))
			continue;
		if (text->len)
			buf_puts(text, "; ");
		if (gpu_refuses(mgr, u, res, i, text)) {
			continue;
		}
		if (left > best_free) {
			best_free = left;
			best = i;
		}
	}
	return best;
}

static bool place_gpus(struct manager *mgr, struct usage *u, const struct job_resources *res,
		       struct execution_row *row, struct reason *reason)
{
	OWN(buf_done) struct buf text = BUF_INIT(REASON_MSG_MAX);

	row->gpu_memory_bytes = res->gpu_memory_bytes;
	while (row->devices_n < res->gpus) {
		int i = best_device(mgr, u, res, row, &text);

		if (i < 0) {
			row->devices_n = 0;
			reason_set(reason, REASON_WAITING_FOR_GPU, "the job needs %d GPU%s: %s",
				   res->gpus, res->gpus > 1 ? "s" : "",
				   text.len ? buf_str(&text) : "this machine has no such GPU");
			return false;
		}
		buf_clear(&text);
		row->devices[row->devices_n] = i;
		str_assign(row->device_uuids[row->devices_n], u->list.items[i].uuid);
		row->devices_n++;
	}
	for (int t = 0; t < row->devices_n; t++) {
		int i = row->devices[t];

		u->sharers[i]++;
		u->whole[i] |= !res->gpu_memory_bytes;
		u->reserved[i] += res->gpu_memory_bytes;
	}
	return true;
}

/* An update may share the GPUs that the replaced server holds as whole GPUs; on a machine with one
 * GPU it could not start otherwise. */
static bool share_gpus(struct manager *mgr, struct usage *u, const struct job_row *job,
		       const struct job_resources *res, struct execution_row *row,
		       struct reason *reason)
{
	OWN(endpoint_row_done) struct endpoint_row ep = {0};
	const struct execution *old =
		endpoint_to_update(mgr, job, &ep) ? execution_of_endpoint(mgr, &ep) : NULL;
	int n = old && !old->row.gpu_memory_bytes ? old->row.devices_n : 0;
	bool placed;

	for (int i = 0; i < n; i++) {
		u->whole[old->row.devices[i]] = false;
		u->sharers[old->row.devices[i]]--;
	}
	placed = n > 0 && place_gpus(mgr, u, res, row, reason);
	for (int i = 0; i < n; i++) {
		u->whole[old->row.devices[i]] = true;
		u->sharers[old->row.devices[i]]++;
	}
	return placed;
}

static bool could_serve(const struct usage *u, const struct job_resources *res, int i)
{
	const struct device *dev = &u->list.items[i];

	return wished(res, dev->index) && !dev->lost && res->gpu_memory_bytes <= dev->total_bytes;
}

bool placement_keep(struct usage *u, const struct job_row *job)
{
	struct job_resources res;
	int able = 0;
	bool left = false;

	job_resources_of(job->spec, &res);
	for (int i = 0; i < u->list.n; i++)
		able += could_serve(u, &res, i);
	for (int i = 0; i < u->list.n; i++) {
		u->kept[i] |= able >= res.gpus && could_serve(u, &res, i);
		left |= !u->kept[i] && !u->list.items[i].lost;
	}
	return left;
}

/* The slots form one pool of CPUs: jobs that need fewer CPUs than a slot share it. */
static bool place_job_cpus(struct manager *mgr, struct usage *u, int cpus, struct reason *reason)
{
	int total = mgr->settings->cpu_slots * mgr->settings->cpus_per_slot;

	if (u->job_cpus + cpus > total) {
		reason_set(reason, REASON_WAITING_FOR_SLOT,
			   "the job needs %d CPU%s: %d of the %d in the %d CPU slot%s of this "
			   "machine are in use",
			   cpus, cpus == 1 ? "" : "s", u->job_cpus, total, mgr->settings->cpu_slots,
			   mgr->settings->cpu_slots == 1 ? "" : "s");
		return false;
	}
	u->job_cpus += cpus;
	return true;
}

static bool place_cpu(struct manager *mgr, int *used, int slots, const char *what,
		      enum reason_code full, struct reason *reason)
{
	if (*used >= slots) {
		reason_set(reason, full, "all %d %s of this machine are in use", slots, what);
		return false;
	}
	(*used)++;
	return true;
}

bool placement_find(struct manager *mgr, struct usage *u, const struct job_row *job,
		    struct execution_row *row, struct reason *reason)
{
	struct job_resources res;

	job_resources_of(job->spec, &res);
	row->cpus = placement_of(job) == PLACE_TRANSFER ? 0 : mgr->settings->cpus_per_slot;
	if (res.cpus > 0 && res.cpus < row->cpus)
		row->cpus = res.cpus;
	switch (placement_of(job)) {
	case PLACE_CPU:
		return place_job_cpus(mgr, u, row->cpus, reason);
	case PLACE_ENDPOINT:
		return place_cpu(mgr, &u->cpu_endpoints, mgr->settings->cpu_endpoints_max,
				 "places for CPU endpoints", REASON_WAITING_FOR_SLOT, reason);
	case PLACE_GPU:
		return place_gpus(mgr, u, &res, row, reason) ||
		       share_gpus(mgr, u, job, &res, row, reason);
	case PLACE_TRANSFER:
		return place_cpu(mgr, &u->transfers, mgr->settings->transfer_slots,
				 "transfer slots", REASON_WAITING_FOR_TRANSFER, reason);
	case PLACE_NONE:
	case PLACES_:
		break;
	}
	return true;
}
