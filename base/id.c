/* SPDX-License-Identifier: MIT */
/*
 * Makes and checks ids. Two ids of the same millisecond differ by a random step upwards, so ids of
 * one process increase.
 */
#include "base/id.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ID_TIME_DIGITS 9
#define ID_RAND_DIGITS 10

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t last_ms, last_rand;

static void put_digits(char *to, int digits, uint64_t v)
{
	for (int i = digits - 1; i >= 0; i--, v >>= 5)
		to[i] = alphabet[v & 31];
}

void id_new(char kind, char buf[ID_LEN])
{
	uint64_t now_ms = (uint64_t)(clock_now_us() / USEC_PER_MSEC);
	uint64_t fresh;

	if (getrandom(&fresh, sizeof(fresh), 0) != sizeof(fresh))
		abort();
	fresh &= (UINT64_C(1) << (ID_RAND_DIGITS * 5 - 1)) - 1; /* leaves room to count up */
	pthread_mutex_lock(&last_lock);
	if (now_ms > last_ms) {
		last_ms = now_ms;
		last_rand = fresh;
	} else {
		last_rand += 1 + (fresh & 0xffff); /* same millisecond: stay above the last id */
	}
	buf[0] = kind;
	put_digits(buf + 1, ID_TIME_DIGITS, last_ms);
	put_digits(buf + 1 + ID_TIME_DIGITS, ID_RAND_DIGITS, last_rand);
	pthread_mutex_unlock(&last_lock);
	buf[ID_LEN - 1] = '\0';
}

bool id_valid(char kind, const char *id)
{
	return id[0] == kind && strlen(id) == ID_LEN - 1 && strspn(id + 1, alphabet) == ID_LEN - 2;
}
