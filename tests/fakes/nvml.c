/* SPDX-License-Identifier: MIT */
/*
 * A fake NVIDIA Management Library for machines without a GPU: the functions that daemon/devices.c
 * uses, answering from the text file that FAKE_NVML_STATE names, read anew at every call:
 *
 *   gpu UUID NAME TOTAL_BYTES USED_BYTES [lost]      one line per GPU, in index order
 *   proc GPU_INDEX PID USED_BYTES
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GPUS_MAX  16
#define PROCS_MAX 64
#define LOST	  15
#define NOT_FOUND 6

struct gpu {
	char uuid[48], name[64], flag[8];
	unsigned long long total, used;
};

struct proc {
	unsigned gpu, pid;
	unsigned long long used;
};

struct state {
	struct gpu gpus[GPUS_MAX];
	struct proc procs[PROCS_MAX];
	unsigned gpus_n, procs_n;
};

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
typedef struct nvml_device *nvml_device_t;

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetCount_v2(unsigned *n);
int nvmlDeviceGetHandleByIndex_v2(unsigned i, nvml_device_t *ret);
int nvmlDeviceGetUUID(nvml_device_t d, char *buf, unsigned size);
int nvmlDeviceGetName(nvml_device_t d, char *buf, unsigned size);
int nvmlDeviceGetMemoryInfo(nvml_device_t d, struct nvml_memory *ret);
int nvmlDeviceGetUtilizationRates(nvml_device_t d, struct nvml_utilization *ret);
int nvmlDeviceGetTemperature(nvml_device_t d, int sensor, unsigned *ret);
int nvmlDeviceGetComputeRunningProcesses_v3(nvml_device_t d, unsigned *n, struct nvml_process *p);
int nvmlDeviceGetGraphicsRunningProcesses_v3(nvml_device_t d, unsigned *n, struct nvml_process *p);
int nvmlSystemGetDriverVersion(char *buf, unsigned size);

static void parse_line(struct state *s, char *line)
{
	char *word[6] = {0}, *w;
	int n = 0;

	while (n < 6 && (w = strsep(&line, " \n")))
		if (*w)
			word[n++] = w;
	if (n >= 5 && strcmp(word[0], "gpu") == 0 && s->gpus_n < GPUS_MAX) {
		struct gpu *g = &s->gpus[s->gpus_n++];

		snprintf(g->uuid, sizeof(g->uuid), "%s", word[1]);
		snprintf(g->name, sizeof(g->name), "%s", word[2]);
		g->total = strtoull(word[3], NULL, 10);
		g->used = strtoull(word[4], NULL, 10);
		snprintf(g->flag, sizeof(g->flag), "%s", n > 5 ? word[5] : "");
	} else if (n >= 4 && strcmp(word[0], "proc") == 0 && s->procs_n < PROCS_MAX) {
		struct proc *p = &s->procs[s->procs_n++];

		p->gpu = (unsigned)strtoul(word[1], NULL, 10);
		p->pid = (unsigned)strtoul(word[2], NULL, 10);
		p->used = strtoull(word[3], NULL, 10);
	}
}

static void load(struct state *s)
{
	const char *path = getenv("FAKE_NVML_STATE");
	FILE *f = path ? fopen(path, "re") : NULL;
	char line[256];

	memset(s, 0, sizeof(*s));
	while (f && fgets(line, sizeof(line), f))
		parse_line(s, line);
	if (f)
		fclose(f);
}

/* A handle is the index plus one, so that it is never NULL. */
static struct gpu *gpu_of(struct state *s, nvml_device_t d, unsigned *ret_index)
{
	*ret_index = (unsigned)((size_t)d - 1);
	load(s);
	return *ret_index < s->gpus_n ? &s->gpus[*ret_index] : NULL;
}

int nvmlInit_v2(void)
{
	return 0;
}

int nvmlShutdown(void)
{
	return 0;
}

int nvmlDeviceGetCount_v2(unsigned *n)
{
	struct state s;

	load(&s);
	*n = s.gpus_n;
	return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned i, nvml_device_t *ret)
{
	*ret = (nvml_device_t)((size_t)i + 1);
	return 0;
}

int nvmlDeviceGetUUID(nvml_device_t d, char *buf, unsigned size)
{
	struct state s;
	unsigned i;
	struct gpu *g = gpu_of(&s, d, &i);

	if (!g)
		return NOT_FOUND;
	snprintf(buf, size, "%s", g->uuid);
	return 0;
}

int nvmlDeviceGetName(nvml_device_t d, char *buf, unsigned size)
{
	struct state s;
	unsigned i;
	struct gpu *g = gpu_of(&s, d, &i);

	if (!g)
		return NOT_FOUND;
	snprintf(buf, size, "%s", g->name);
	return 0;
}

int nvmlDeviceGetMemoryInfo(nvml_device_t d, struct nvml_memory *ret)
{
	struct state s;
	unsigned i;
	struct gpu *g = gpu_of(&s, d, &i);

	if (!g)
		return NOT_FOUND;
	if (strcmp(g->flag, "lost") == 0)
		return LOST;
	*ret = (struct nvml_memory){g->total, g->total - g->used, g->used};
	return 0;
}

int nvmlDeviceGetUtilizationRates(nvml_device_t d, struct nvml_utilization *ret)
{
	*ret = (struct nvml_utilization){37, 11};
	return 0;
}

int nvmlDeviceGetTemperature(nvml_device_t d, int sensor, unsigned *ret)
{
	*ret = 54;
	return 0;
}

int nvmlDeviceGetComputeRunningProcesses_v3(nvml_device_t d, unsigned *n, struct nvml_process *p)
{
	struct state s;
	unsigned i, room = *n;

	*n = 0;
	if (!gpu_of(&s, d, &i))
		return NOT_FOUND;
	for (unsigned k = 0; k < s.procs_n && *n < room; k++)
		if (s.procs[k].gpu == i)
			p[(*n)++] = (struct nvml_process){.pid = s.procs[k].pid,
							  .used_memory = s.procs[k].used};
	return 0;
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(nvml_device_t d, unsigned *n, struct nvml_process *p)
{
	*n = 0;
	return 0;
}

int nvmlSystemGetDriverVersion(char *buf, unsigned size)
{
	snprintf(buf, size, "fake-1.0");
	return 0;
}
