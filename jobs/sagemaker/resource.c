/* SPDX-License-Identifier: MIT */
#include "jobs/sagemaker/resource.h"

#include "base/str.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char *const kinds[CLOUD_KINDS_] = {
	[CLOUD_TRAINING_JOB] = "training_job",
	[CLOUD_MODEL] = "model",
	[CLOUD_ENDPOINT_CONFIG] = "endpoint_config",
	[CLOUD_ENDPOINT] = "endpoint",
};

/* Who may follow whom: bits of states. */
static const struct {
	const char *name;
	unsigned next;
} states[CLOUD_STATES_] = {
	[CLOUD_PLANNED] = {"planned", 1u << CLOUD_PRESENT | 1u << CLOUD_REFUSED},
	/* ended by itself: a training job that is over, a thing that somebody else deleted */
	[CLOUD_PRESENT] = {"present", 1u << CLOUD_ENDING | 1u << CLOUD_ENDED},
	[CLOUD_ENDING] = {"ending", 1u << CLOUD_ENDED},
	[CLOUD_ENDED] = {"ended", 0},
	[CLOUD_REFUSED] = {"refused", 0},
};

const char *cloud_kind_str(enum cloud_kind kind)
{
	return kinds[kind];
}

int cloud_kind_parse(const char *s, enum cloud_kind *ret)
{
	for (int i = 0; i < CLOUD_KINDS_; i++) {
		if (!str_eq(s, kinds[i]))
			continue;
		*ret = (enum cloud_kind)i;
		return 0;
	}
	return -EINVAL;
}

const char *cloud_state_str(enum cloud_state state)
{
	return states[state].name;
}

int cloud_state_parse(const char *s, enum cloud_state *ret)
{
	for (int i = 0; i < CLOUD_STATES_; i++) {
		if (!str_eq(s, states[i].name))
			continue;
		*ret = (enum cloud_state)i;
		return 0;
	}
	return -EINVAL;
}

bool cloud_state_is_final(enum cloud_state state)
{
	return states[state].next == 0;
}

bool cloud_state_may(enum cloud_state from, enum cloud_state to)
{
	return states[from].next & 1u << to;
}

void cloud_nonce_new(char nonce[CLOUD_NONCE_LEN])
{
	static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint64_t bits;

	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		abort();
	for (int i = 0; i < CLOUD_NONCE_LEN - 1; i++, bits >>= 5)
		nonce[i] = alphabet[bits & 31];
	nonce[CLOUD_NONCE_LEN - 1] = '\0';
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void cloud_name(char name[CLOUD_NAME_MAX + 1], const char *words, const char *nonce)
{
	size_t n = strlen(CLOUD_NAME_PREFIX);
	size_t max = CLOUD_NAME_MAX - strlen(nonce);

	str_copy(name, CLOUD_NAME_MAX + 1, CLOUD_NAME_PREFIX);
	for (; *words && n + 1 < max; words++) {
		if (is_alnum(*words))
			name[n++] = *words;
		else if (name[n - 1] != '-')
			name[n++] = '-';
	}
	if (name[n - 1] != '-')
		name[n++] = '-';
	str_copy(name + n, CLOUD_NAME_MAX + 1 - n, nonce);
}
