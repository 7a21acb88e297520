/* SPDX-License-Identifier: MIT */
/*
 * The tables of kinds and states with the allowed changes, and the names of resources with their
 * nonce.
 */
#include "jobs/sagemaker/resource.h"

#include "base/str.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char *const kinds[RESOURCE_KINDS_] = {
	[RESOURCE_TRAINING_JOB] = "training_job",
	[RESOURCE_MODEL] = "model",
	[RESOURCE_ENDPOINT_CONFIG] = "endpoint_config",
	[RESOURCE_ENDPOINT] = "endpoint",
};

/* `next`: a bit for each state that may follow. */
static const struct {
	const char *name;
	unsigned next;
} states[RESOURCE_STATES_] = {
	[RESOURCE_PLANNED] = {"planned", 1u << RESOURCE_PRESENT | 1u << RESOURCE_REFUSED},
	/* present → ended: a training job is over, or somebody else deleted the resource */
	[RESOURCE_PRESENT] = {"present", 1u << RESOURCE_ENDING | 1u << RESOURCE_ENDED},
	[RESOURCE_ENDING] = {"ending", 1u << RESOURCE_ENDED},
	[RESOURCE_ENDED] = {"ended", 0},
	[RESOURCE_REFUSED] = {"refused", 0},
};

const char *resource_kind_str(enum resource_kind kind)
{
	return kinds[kind];
}

int resource_kind_parse(const char *s, enum resource_kind *ret)
{
	for (int i = 0; i < RESOURCE_KINDS_; i++) {
		if (!str_eq(s, kinds[i]))
			continue;
		*ret = (enum resource_kind)i;
		return 0;
	}
	return -EINVAL;
}

const char *resource_state_str(enum resource_state state)
{
	return states[state].name;
}

int resource_state_parse(const char *s, enum resource_state *ret)
{
	for (int i = 0; i < RESOURCE_STATES_; i++) {
		if (!str_eq(s, states[i].name))
			continue;
		*ret = (enum resource_state)i;
		return 0;
	}
	return -EINVAL;
}

bool resource_state_is_final(enum resource_state state)
{
	return states[state].next == 0;
}

bool resource_state_may(enum resource_state from, enum resource_state to)
{
	return states[from].next & 1u << to;
}

void resource_nonce_new(char nonce[RESOURCE_NONCE_LEN])
{
	static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint64_t bits;

	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		abort();
	for (int i = 0; i < RESOURCE_NONCE_LEN - 1; i++, bits >>= 5)
		nonce[i] = alphabet[bits & 31];
	nonce[RESOURCE_NONCE_LEN - 1] = '\0';
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void resource_name(char name[RESOURCE_NAME_MAX + 1], const char *words, const char *nonce)
{
	size_t n = strlen(RESOURCE_NAME_PREFIX);
	size_t max = RESOURCE_NAME_MAX - strlen(nonce);

	str_must_copy(name, RESOURCE_NAME_MAX + 1, RESOURCE_NAME_PREFIX);
	for (; *words && n + 1 < max; words++) {
		if (is_alnum(*words))
			name[n++] = *words;
		else if (name[n - 1] != '-')
			name[n++] = '-';
	}
	if (name[n - 1] != '-')
		name[n++] = '-';
	str_must_copy(name + n, RESOURCE_NAME_MAX + 1 - n, nonce);
}
