/* SPDX-License-Identifier: MIT */
/*
 * The used part of NVML's interface, loaded with dlopen(3), and the thread that reads every GPU
 * into the snapshot.
 */
#include "daemon/devices.h"

#include "base/clock.h"
#include "base/own.h"
#include "base/str.h"
#include "base/thread.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define DEVICES_STACK_BYTES (128 << 10)

/* The used part of NVML's ABI, as NVML's header declares it (stable since NVML 11). */
typedef struct nvml_device *nvml_device_t;
struct nvml_memory {
	unsigned long long total, free, used;
};
struct nvml_utilization {
	unsigned gpu, memory;
};
struct nvml_process {
	unsigned pid;
	unsigned long long used_memory;
	unsigned gpu_instance, compute_instance;
};

#define NVML_SUCCESS	       0
#define NVML_ERROR_GPU_IS_LOST 15
#define NVML_TEMPERATURE_GPU   0
#define NVML_MEMORY_UNKNOWN    (~0ULL)
#define NVML_FUNCTIONS(X)                                                            \
	X(init, "nvmlInit_v2", (void))                                               \
	X(shutdown, "nvmlShutdown", (void))                                          \
	X(count, "nvmlDeviceGetCount_v2", (unsigned *))                              \
	X(handle, "nvmlDeviceGetHandleByIndex_v2", (unsigned, nvml_device_t *))      \
	X(uuid, "nvmlDeviceGetUUID", (nvml_device_t, char *, unsigned))              \
	X(name, "nvmlDeviceGetName", (nvml_device_t, char *, unsigned))              \
	X(memory, "nvmlDeviceGetMemoryInfo", (nvml_device_t, struct nvml_memory *))  \
	X(utilization, "nvmlDeviceGetUtilizationRates",                              \
	  (nvml_device_t, struct nvml_utilization *))                                \
	X(temperature, "nvmlDeviceGetTemperature", (nvml_device_t, int, unsigned *)) \
	X(compute, "nvmlDeviceGetComputeRunningProcesses_v3",                        \
	  (nvml_device_t, unsigned *, struct nvml_process *))                        \
	X(graphics, "nvmlDeviceGetGraphicsRunningProcesses_v3",                      \
	  (nvml_device_t, unsigned *, struct nvml_process *))                        \
	X(driver, "nvmlSystemGetDriverVersion", (char *, unsigned))

struct nvml {
#define NVML_MEMBER(member, symbol, args) int(*member) args;
	NVML_FUNCTIONS(NVML_MEMBER)
#undef NVML_MEMBER
};

struct devices {
	void *library;
	struct nvml nvml;
	char driver[80];
	int count;
	nvml_device_t handles[DEVICES_MAX];
	pthread_t thread;
	bool has_thread, stopping;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	struct device_list list; /* guarded by lock */
};

static int load_library(struct devices *d, const char *library)
{
	d->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!d->library)
		return -ENOENT;
#define NVML_LOAD(member, symbol, args)                          \
	d->nvml.member = (int(*) args)dlsym(d->library, symbol); \
	if (!d->nvml.member)                                     \
		return -ENOSYS;
	NVML_FUNCTIONS(NVML_LOAD)
#undef NVML_LOAD
	return 0;
}

typedef int (*processes_fn)(nvml_device_t, unsigned *, struct nvml_process *);

static void add_processes(struct device *dev, nvml_device_t handle, processes_fn fn)
{
	struct nvml_process found[DEVICES_PROCESSES_MAX];
	unsigned n = DEVICES_PROCESSES_MAX;

	if (fn(handle, &n, found) != NVML_SUCCESS)
		return;
	for (unsigned i = 0; i < n && dev->processes_n < DEVICES_PROCESSES_MAX; i++) {
		struct device_process *p = &dev->processes[dev->processes_n++];

		p->pid = (pid_t)found[i].pid;
		p->used_bytes = found[i].used_memory == NVML_MEMORY_UNKNOWN
					? 0
					: (int64_t)found[i].used_memory;
	}
}

static void read_device(struct devices *d, int index, struct device *dev)
{
	nvml_device_t handle = d->handles[index];
	struct nvml_utilization use = {0};
	struct nvml_memory memory = {0};
	unsigned temperature = 0;

	*dev = (struct device){.index = index};
	d->nvml.uuid(handle, dev->uuid, sizeof(dev->uuid));
	d->nvml.name(handle, dev->name, sizeof(dev->name));
	dev->lost = d->nvml.memory(handle, &memory) == NVML_ERROR_GPU_IS_LOST;
	dev->total_bytes = (int64_t)memory.total;
	dev->used_bytes = (int64_t)memory.used;
	if (d->nvml.utilization(handle, &use) == NVML_SUCCESS)
		dev->utilization_percent = (int)use.gpu;
	if (d->nvml.temperature(handle, NVML_TEMPERATURE_GPU, &temperature) == NVML_SUCCESS)
		dev->temperature_c = (int)temperature;
	add_processes(dev, handle, d->nvml.compute);
	add_processes(dev, handle, d->nvml.graphics);
}

static void refresh(struct devices *d)
{
	struct device_list *fresh = calloc(1, sizeof(*fresh));

	if (!fresh)
		return;
	fresh->n = d->count;
	for (int i = 0; i < d->count; i++)
		read_device(d, i, &fresh->items[i]);
	fresh->at_us = clock_now_us();
	pthread_mutex_lock(&d->lock);
	d->list = *fresh;
	pthread_mutex_unlock(&d->lock);
	free(fresh);
}

static void *refresh_thread(void *userdata)
{
	struct devices *d = userdata;

	pthread_setname_np(pthread_self(), "devices");
	pthread_mutex_lock(&d->lock);
	while (!d->stopping) {
		cond_wait_us(&d->stop, &d->lock, DEVICES_REFRESH_US);
		if (d->stopping)
			break;
		pthread_mutex_unlock(&d->lock);
		refresh(d);
		pthread_mutex_lock(&d->lock);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

static int start_thread(struct devices *d)
{
	int r = thread_start(DEVICES_STACK_BYTES, refresh_thread, d, &d->thread);

	d->has_thread = r == 0;
	return r;
}

static int find_devices(struct devices *d, struct err *reterr)
{
	unsigned n = 0;

	if (d->nvml.init() != NVML_SUCCESS || d->nvml.count(&n) != NVML_SUCCESS)
		return err_set(reterr, ERR_UNAVAILABLE,
			       "the NVIDIA driver does not answer, so jobs get no GPUs; see "
			       "nvidia-smi, then restart the daemon");
	d->nvml.driver(d->driver, sizeof(d->driver));
	for (unsigned i = 0; i < n && d->count < DEVICES_MAX; i++)
		if (d->nvml.handle(i, &d->handles[d->count]) == NVML_SUCCESS)
			d->count++;
	return 0;
}

int devices_open(const char *library, struct devices **ret, struct err *reterr)
{
	struct devices *d = calloc(1, sizeof(*d));
	int r = 0;

	if (!d)
		return err_errno(reterr, ENOMEM, "look for GPUs");
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->stop, NULL);
	if (library[0] && load_library(d, library) == 0)
		r = find_devices(d, reterr);
	if (r >= 0 && d->count > 0) {
		refresh(d);
		r = start_thread(d);
		if (r < 0)
			err_errno(reterr, -r, "start the devices thread");
	}
	if (r < 0 && r != -ERR_UNAVAILABLE) {
		devices_close(d);
		return r;
	}
	*ret = d;
	return r < 0 ? 0 : d->count;
}

void devices_close(struct devices *d)
{
	if (!d)
		return;
	if (d->has_thread) {
		pthread_mutex_lock(&d->lock);
		d->stopping = true;
		pthread_cond_signal(&d->stop);
		pthread_mutex_unlock(&d->lock);
		pthread_join(d->thread, NULL);
	}
	if (d->count > 0)
		d->nvml.shutdown();
	if (d->library)
		dlclose(d->library);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->stop);
	free(d);
}

int devices_count(const struct devices *d)
{
	return d->count;
}

void devices_snapshot(struct devices *d, struct device_list *ret)
{
	pthread_mutex_lock(&d->lock);
	*ret = d->list;
	pthread_mutex_unlock(&d->lock);
}

const char *devices_driver(const struct devices *d)
{
	return d->driver;
}
