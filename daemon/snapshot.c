/* SPDX-License-Identifier: MIT */
/* Snapshots of devices, slots and executions for API threads. The manager's thread publishes text
 * and each reader parses its own copy, so that no JSON object is shared by two threads. */
#include "base/own.h"
#include "base/str.h"
#include "daemon/core.h"
#include "daemon/database_check.h"

#include <string.h>

static json_t *execution_json(const struct execution *ex)
{
	char at[CLOCK_TEXT_LEN];
	json_t *devices = json_array();
	json_t *j;

	for (int i = 0; i < ex->row.devices_n; i++)
		json_array_append_new(devices, json_integer(ex->row.devices[i]));
	j = json_pack("{ss si sI so ss}", "execution", ex->row.id, "cpus", ex->row.cpus, "pid",
		      (json_int_t)ex->row.pid, "devices", devices, "started_at",
		      clock_format(at, ex->row.started_us));
	if (ex->row.job[0])
		json_object_set_new(j, "job", json_string(ex->row.job));
	if (ex->row.endpoint[0])
		json_object_set_new(j, "endpoint", json_string(ex->row.endpoint));
	return j;
}

void slots_publish(struct manager *mgr)
{
	OWN(json_decrefp) json_t *slots = NULL;
	json_t *list = json_array();
	int cpus = 0, each = mgr->settings->cpus_per_slot, endpoints = 0;
	char *text, *old;

	for (const struct execution *ex = mgr->executions; ex; ex = ex->next) {
		json_array_append_new(list, execution_json(ex));
		if (!ex->row.devices_n && ex->row.endpoint[0])
			endpoints++;
		else if (!ex->row.devices_n)
			cpus += ex->row.cpus;
	}
	slots = json_pack("{s{si si si} s{si si} so}", "cpu_slots", "total",
			  mgr->settings->cpu_slots, "used", each ? (cpus + each - 1) / each : 0,
			  "cpus_each", each, "cpu_endpoints", "max",
			  mgr->settings->cpu_endpoints_max, "used", endpoints, "executions", list);
	text = json_text(slots);
	pthread_mutex_lock(&mgr->live_lock);
	old = mgr->slots;
	mgr->slots = text;
	pthread_mutex_unlock(&mgr->live_lock);
	free(old);
}

json_t *manager_status(struct manager *mgr)
{
	OWN(freep) char *text = NULL;
	json_t *status = NULL;

	pthread_mutex_lock(&mgr->live_lock);
	text = mgr->slots ? strdup(mgr->slots) : NULL;
	pthread_mutex_unlock(&mgr->live_lock);
	if (!text || json_parse(text, strlen(text), &status, NULL) < 0)
		status = json_object();
	json_object_set_new(status, "native", json_boolean(mgr->settings->native));
	json_object_set_new(status, "ready", json_boolean(manager_ready(mgr, NULL) >= 0));
	json_object_set_new(status, "database", database_check_json(mgr->database_check));
	json_object_set_new(status, "restore_pending", json_boolean(mgr->restored_us));
	json_object_set_new(status, "gpus", json_integer(devices_count(mgr->devices)));
	return status;
}

static json_t *process_json(const struct device_process *p)
{
	char name[64] = "", id[ID_LEN];
	json_t *j =
		json_pack("{si sI}", "pid", (int)p->pid, "used_bytes", (json_int_t)p->used_bytes);

	if (proc_name(p->pid, name, sizeof(name)))
		json_object_set_new(j, "name", json_string(name));
	if (proc_env(p->pid, EXECUTION_ENV_ID, id, sizeof(id)))
		json_object_set_new(j, "execution", json_string(id));
	return j;
}

static json_t *device_json(const struct device *dev)
{
	json_t *processes = json_array();

	for (int i = 0; i < dev->processes_n; i++)
		json_array_append_new(processes, process_json(&dev->processes[i]));
	return json_pack("{si ss ss ss sI sI si si sb so}", "index", dev->index, "kind", "gpu",
			 "uuid", dev->uuid, "name", dev->name, "memory_total_bytes",
			 (json_int_t)dev->total_bytes, "memory_used_bytes",
			 (json_int_t)dev->used_bytes, "utilization_percent",
			 dev->utilization_percent, "temperature_c", dev->temperature_c, "lost",
			 dev->lost, "processes", processes);
}

json_t *manager_devices(struct manager *mgr)
{
	OWN(freep) struct device_list *list = calloc(1, sizeof(*list));
	json_t *items = json_array(), *answer, *status = manager_status(mgr);

	if (list)
		devices_snapshot(mgr->devices, list);
	for (int i = 0; list && i < list->n; i++)
		json_array_append_new(items, device_json(&list->items[i]));
	answer = json_pack("{so sO sO sO ss}", "items", items, "cpu_slots",
			   json_object_get(status, "cpu_slots"), "cpu_endpoints",
			   json_object_get(status, "cpu_endpoints"), "executions",
			   json_object_get(status, "executions"), "driver",
			   devices_driver(mgr->devices));
	json_decref(status);
	return answer;
}

int manager_ready(struct manager *mgr, struct err *reterr)
{
	int64_t silent_us = clock_mono_us() - mgr->beat_us;
	bool stopping;

	pthread_mutex_lock(&mgr->queue_lock);
	stopping = mgr->stopping;
	pthread_mutex_unlock(&mgr->queue_lock);
	if (stopping)
		return err_set(reterr, ERR_UNAVAILABLE, "the daemon is stopping");
	if (!mgr->ready)
		return err_set(
			reterr, ERR_UNAVAILABLE,
			"the daemon still recovers what ran before its start; try again soon");
	if (silent_us > MANAGER_BEAT_MAX_US)
		return err_set(reterr, ERR_UNAVAILABLE,
			       "the daemon's main thread has not answered for %lld seconds; look "
			       "for a disk that does not answer",
			       (long long)(silent_us / USEC_PER_SEC));
	return store_check_location(mgr->store, reterr);
}

int manager_check_location(struct manager *mgr, struct err *reterr)
{
	return store_check_location(mgr->store, reterr);
}
