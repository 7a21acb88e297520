/* SPDX-License-Identifier: MIT */
/* Reads the resources that a stored spec requests from the scheduler. An older version may have
 * written the spec: a missing or invalid field counts as its default. */
#include "base/clock.h"
#include "jobs/spec/spec.h"

#include <string.h>

static uint64_t retry_bits(const json_t *on)
{
	uint64_t bits = 0;
	enum reason_code code;

	for (int i = 0; !on && i < REASONS_; i++)
		if (reason_retried_by_default((enum reason_code)i))
			bits |= UINT64_C(1) << i;
	for (size_t i = 0; i < json_array_size(on); i++) {
		const char *name = json_string_value(json_array_get(on, i));

		if (name && reason_code_parse(name, &code) == 0)
			bits |= UINT64_C(1) << code;
	}
	return bits;
}

void job_resources_of(const json_t *spec, struct job_resources *ret)
{
	const json_t *local = json_object_get(spec, "local");
	const json_t *retry = json_object_get(spec, "retry");
	const json_t *devices = json_object_get(local, "devices");

	memset(ret, 0, sizeof(*ret));
	ret->gpus = (int)json_get_int(local, "gpus", 0);
	ret->gpu_memory_bytes = json_get_int(local, "gpu_memory", 0);
	for (size_t i = 0; i < json_array_size(devices) && i < SPEC_DEVICES_MAX; i++)
		ret->devices[ret->devices_n++] =
			(int)json_integer_value(json_array_get(devices, i));
	ret->cpus = (int)json_get_int(local, "cpus", 0);
	ret->memory_bytes = json_get_int(local, "memory", 0);
	if (duration_parse(json_get_str(spec, "max_runtime", "0s"), &ret->max_runtime_us) < 0)
		ret->max_runtime_us = 0;
	ret->retry_max = (int)json_get_int(retry, "max", 0);
	ret->retry_on = retry_bits(json_object_get(retry, "on"));
}
