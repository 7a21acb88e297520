/* SPDX-License-Identifier: MIT */
/* Splits a number of up to 256 bits into limbs, and divides it by ten for its digits. */
#include "worker/dataset/decimal.h"

#include "base/str.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LIMBS (DECIMAL_BITS_MAX / 32)

bool decimal_type(const char *format, struct decimal_type *ret)
{
	long scale, bits = 128;
	char *end;

	if (!str_starts(format, "d:"))
		return false;
	(void)strtol(format + strlen("d:"), &end, 10);
	if (*end != ',')
		return false;
	scale = strtol(end + 1, &end, 10);
	if (*end == ',')
		bits = strtol(end + 1, &end, 10);
	*ret = (struct decimal_type){.bytes = (size_t)bits / 8, .scale = (int)scale};
	return !*end && scale >= 0 && scale <= DECIMAL_SCALE_MAX &&
	       (bits == 32 || bits == 64 || bits == 128 || bits == 256);
}

/* Split the magnitude into 32-bit limbs, least first. True if the number is negative. */
static bool take_limbs(const void *value, size_t bytes, uint32_t limbs[LIMBS])
{
	bool negative = ((const uint8_t *)value)[bytes - 1] >> 7, carry = negative;

	memset(limbs, negative ? 0xff : 0, LIMBS * sizeof(*limbs));
	memcpy(limbs, value, bytes);
	for (size_t i = 0; negative && i < LIMBS; i++) {
		limbs[i] = ~limbs[i] + carry;
		carry = carry && !limbs[i];
	}
	return negative;
}

/* Divide by ten. Returns the remainder. */
static unsigned divide(uint32_t limbs[LIMBS])
{
	uint64_t rest = 0;

	for (size_t i = LIMBS; i-- > 0;) {
		rest = rest << 32 | limbs[i];
		limbs[i] = (uint32_t)(rest / 10);
		rest %= 10;
	}
	return (unsigned)rest;
}

static bool is_zero(const uint32_t limbs[LIMBS])
{
	for (size_t i = 0; i < LIMBS; i++)
		if (limbs[i])
			return false;
	return true;
}

void decimal_label(const struct decimal_type *type, const void *value, struct label_value *ret)
{
	uint32_t limbs[LIMBS];
	char text[LABEL_NUMBER_LEN];
	char *at = text + sizeof(text), *point = NULL;
	bool negative = take_limbs(value, type->bytes, limbs), whole = true;
	int64_t number;

	*--at = '\0';
	for (int digits = 0; digits <= type->scale || !is_zero(limbs); digits++) {
		unsigned digit = divide(limbs);

		assert(at - text > 3); /* 78 digits of 256 bits, a point and a sign fit */
		if (digits == type->scale && digits > 0)
			*(point = --at) = '.';
		whole = whole && (digits >= type->scale || !digit);
		*--at = (char)('0' + digit);
	}
	if (negative)
		*--at = '-';
	if (whole && point)
		*point = '\0';
	if (whole && str_to_i64(at, &number) == 0) {
		label_from_int(ret, number);
		return;
	}
	*ret = (struct label_value){.type = LABEL_FLOAT};
	str_must_copy(ret->digits, sizeof(ret->digits), at);
	ret->len = strlen(ret->digits);
}
