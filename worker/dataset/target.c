/* SPDX-License-Identifier: MIT */
/* Reads a label value as a number. */
#include "worker/dataset/target.h"

#include "base/str.h"

#include <math.h>
#include <string.h>

#define NUMBER_TEXT_MAX 128 /* bytes of a text that may be a number */
#define BLANKS		" \t\n\v\f\r"

static bool text_number(const struct label_value *v, double *ret)
{
	char copy[NUMBER_TEXT_MAX];
	const char *start = copy;
	size_t len;
	const char *text = label_text(v, &len);

	if (len >= sizeof(copy) || memchr(text, 0, len))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	start += strspn(start, BLANKS);
	len = strlen(start);
	while (len > 0 && strchr(BLANKS, start[len - 1]))
		len--;
	copy[start - copy + (ptrdiff_t)len] = '\0';
	/* no hexadecimal numbers and no words */
	return strspn(start, "0123456789+-.eE") == len && str_to_double(start, ret) == 0;
}

enum target_result target_read(const struct label_value *v, float *ret)
{
	double number = 0;
	bool ok = false;

	switch (v->type) {
	case LABEL_NULL:
	case LABEL_ABSENT:
		return TARGET_NONE;
	case LABEL_INT:
		number = (double)v->number;
		ok = true;
		break;
	case LABEL_FLOAT:
	case LABEL_TEXT:
		ok = text_number(v, &number);
		break;
	case LABEL_BOOL:
	case LABEL_CLASS:
		break;
	}
	if (!ok || !isfinite((float)number))
		return TARGET_BAD;
	*ret = (float)number;
	return TARGET_NUMBER;
}
