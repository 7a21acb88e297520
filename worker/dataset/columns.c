/* SPDX-License-Identifier: MIT */
/* Reads values out of Arrow's buffers. Format strings are those of the Arrow C data interface. */
#include "worker/dataset/columns.h"

#include "base/own.h"
#include "base/str.h"
#include "worker/dataset/decimal.h"

#include <math.h>
#include <string.h>

static bool is_int_format(const char *format)
{
	return format[0] && !format[1] && strchr("cCsSiIlL", format[0]);
}

static bool is_one_of(const char *format, const char *a, const char *b, const char *c)
{
	return str_eq(format, a) || str_eq(format, b) || str_eq(format, c);
}

static bool is_list_format(const char *format)
{
	return str_eq(format, "+l") || str_eq(format, "+L") || str_starts(format, "+w:");
}

enum column_type column_type(const struct ArrowSchema *schema)
{
	const char *format = schema->format;
	struct decimal_type decimal;

	if (schema->dictionary) {
		enum column_type type = column_type(schema->dictionary);

		return type == COLUMN_INT_LIST || type == COLUMN_FLOAT_LIST ? COLUMN_OTHER : type;
	}
	if (is_one_of(format, "u", "U", "vu"))
		return COLUMN_STRING;
	if (is_one_of(format, "z", "Z", "vz") || str_starts(format, "w:"))
		return COLUMN_BINARY;
	if (is_int_format(format) || str_eq(format, "b"))
		return COLUMN_INT;
	if (is_one_of(format, "e", "f", "g"))
		return COLUMN_FLOAT;
	if (decimal_type(format, &decimal))
		return COLUMN_DECIMAL;
	if (str_eq(format, "n"))
		return COLUMN_NULL;
	if (is_list_format(format) && !schema->children[0]->dictionary &&
	    is_int_format(schema->children[0]->format))
		return COLUMN_INT_LIST;
	return column_item_type(schema) == COLUMN_FLOAT ? COLUMN_FLOAT_LIST : COLUMN_OTHER;
}

enum column_type column_item_type(const struct ArrowSchema *schema)
{
	return is_list_format(schema->format) && !schema->dictionary
		       ? column_type(schema->children[0])
		       : COLUMN_OTHER;
}

const char *column_type_str(enum column_type type)
{
	static const char *const names[] = {[COLUMN_STRING] = "strings",
					    [COLUMN_BINARY] = "bytes",
					    [COLUMN_INT] = "integers",
					    [COLUMN_FLOAT] = "floating-point numbers",
					    [COLUMN_DECIMAL] = "decimal numbers",
					    [COLUMN_INT_LIST] = "lists of integers",
					    [COLUMN_FLOAT_LIST] = "lists of floating-point numbers",
					    [COLUMN_NULL] = "nothing but null",
					    [COLUMN_OTHER] = "values of another type"};

	return names[type];
}

int64_t column_find(const struct ArrowSchema *table, const char *name)
{
	for (int64_t i = 0; i < table->n_children; i++)
		if (str_eq(table->children[i]->name, name))
			return i;
	return -1;
}

static bool bit(const void *bits, int64_t i)
{
	return ((const uint8_t *)bits)[i / 8] >> (i % 8) & 1;
}

static int64_t int_at(const char *format, const void *values, int64_t i)
{
	switch (format[0]) {
	case 'c':
		return ((const int8_t *)values)[i];
	case 'C':
		return ((const uint8_t *)values)[i];
	case 's':
		return ((const int16_t *)values)[i];
	case 'S':
		return ((const uint16_t *)values)[i];
	case 'i':
		return ((const int32_t *)values)[i];
	case 'I':
		return ((const uint32_t *)values)[i];
	case 'b':
		return bit(values, i);
	default: /* l, L */
		return ((const int64_t *)values)[i];
	}
}

bool column_is_null(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t row)
{
	int64_t at = a->offset + row;

	if (str_eq(schema->format, "n"))
		return true;
	if (a->null_count != 0 && a->n_buffers > 0 && a->buffers[0] && !bit(a->buffers[0], at))
		return true;
	return schema->dictionary && column_is_null(schema->dictionary, a->dictionary,
						    int_at(schema->format, a->buffers[1], at));
}

int64_t column_int(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t row)
{
	int64_t value = int_at(schema->format, a->buffers[1], a->offset + row);

	return schema->dictionary ? column_int(schema->dictionary, a->dictionary, value) : value;
}

/* A view is 16 bytes: int32 length, then up to 12 bytes of text; or 4 bytes of it, an int32 that
 * counts the data buffers, and an int32 offset into that one. */
static const char *view_at(const struct ArrowArray *a, int64_t at, size_t *ret_len)
{
	const int32_t *view = (const int32_t *)a->buffers[1] + at * 4;

	*ret_len = (size_t)view[0];
	return view[0] <= 12 ? (const char *)&view[1]
			     : (const char *)a->buffers[2 + view[2]] + view[3];
}

const char *column_string(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t row,
			  size_t *ret_len)
{
	int64_t at = a->offset + row, start, end;

	if (schema->dictionary)
		return column_string(schema->dictionary, a->dictionary,
				     int_at(schema->format, a->buffers[1], at), ret_len);
	if (schema->format[0] == 'v')
		return view_at(a, at, ret_len);
	if (schema->format[0] == 'w') {
		*ret_len = (size_t)strtol(schema->format + strlen("w:"), NULL, 10);
		return (const char *)a->buffers[1] + at * (int64_t)*ret_len;
	}
	if (schema->format[0] == 'U' || schema->format[0] == 'Z') {
		start = ((const int64_t *)a->buffers[1])[at];
		end = ((const int64_t *)a->buffers[1])[at + 1];
	} else {
		start = ((const int32_t *)a->buffers[1])[at];
		end = ((const int32_t *)a->buffers[1])[at + 1];
	}
	*ret_len = (size_t)(end - start);
	return end > start ? (const char *)a->buffers[2] + start : "";
}

/* IEEE 754 binary16: a sign, 5 bits of exponent, 10 of fraction. */
static double half_to_double(uint16_t half)
{
	int exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;
	double value = exponent == 0x1f ? (fraction ? NAN : INFINITY)
		       : exponent	? ldexp(fraction + 0x400, exponent - 25)
					: ldexp(fraction, -24);

	return half >> 15 ? -value : value;
}

static double float_at(const char *format, const void *values, int64_t at)
{
	if (format[0] == 'e')
		return half_to_double(((const uint16_t *)values)[at]);
	if (format[0] == 'f')
		return (double)((const float *)values)[at];
	return ((const double *)values)[at];
}

double column_float(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t row)
{
	int64_t at = a->offset + row;

	if (column_is_null(schema, a, row))
		return NAN;
	if (schema->dictionary)
		return column_float(schema->dictionary, a->dictionary,
				    int_at(schema->format, a->buffers[1], at));
	return float_at(schema->format, a->buffers[1], at);
}

void column_label(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t row,
		  struct label_value *ret)
{
	const char *format = schema->format, *text;
	struct decimal_type decimal;
	int64_t at = a->offset + row;
	size_t len;

	*ret = (struct label_value){.type = LABEL_NULL};
	if (column_is_null(schema, a, row))
		return;
	if (schema->dictionary) {
		column_label(schema->dictionary, a->dictionary, int_at(format, a->buffers[1], at),
			     ret);
	} else if (decimal_type(format, &decimal)) {
		decimal_label(&decimal, (const char *)a->buffers[1] + at * (int64_t)decimal.bytes,
			      ret);
	} else if (column_type(schema) == COLUMN_FLOAT) {
		label_from_double(ret, float_at(format, a->buffers[1], at));
	} else if (format[0] == 'b') {
		label_from_bool(ret, bit(a->buffers[1], at));
	} else if (format[0] == 'L') {
		label_from_unsigned(ret, ((const uint64_t *)a->buffers[1])[at]);
	} else if (column_type(schema) == COLUMN_INT) {
		label_from_int(ret, column_int(schema, a, row));
	} else {
		text = column_string(schema, a, row, &len);
		label_from_text(ret, text, len, false);
	}
}

void column_list(const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t row,
		 int64_t *ret_start, int64_t *ret_n)
{
	int64_t at = a->offset + row;

	if (schema->format[1] == 'w') {
		*ret_n = strtol(schema->format + strlen("+w:"), NULL, 10);
		*ret_start = at * *ret_n;
	} else if (schema->format[1] == 'L') {
		*ret_start = ((const int64_t *)a->buffers[1])[at];
		*ret_n = ((const int64_t *)a->buffers[1])[at + 1] - *ret_start;
	} else {
		*ret_start = ((const int32_t *)a->buffers[1])[at];
		*ret_n = ((const int32_t *)a->buffers[1])[at + 1] - *ret_start;
	}
}

/* Metadata is int32 pairs, then per pair int32 length, key, int32 length, value. */
static const char *schema_metadata(const struct ArrowSchema *schema, const char *key,
				   size_t *ret_len)
{
	const char *p = schema->metadata;
	int32_t pairs, len[2];

	if (!p)
		return NULL;
	memcpy(&pairs, p, sizeof(pairs));
	p += sizeof(pairs);
	for (int32_t i = 0; i < pairs; i++) {
		const char *name;

		memcpy(&len[0], p, sizeof(len[0]));
		name = p + sizeof(len[0]);
		p = name + len[0];
		memcpy(&len[1], p, sizeof(len[1]));
		p += sizeof(len[1]);
		if ((size_t)len[0] == strlen(key) && memcmp(name, key, (size_t)len[0]) == 0) {
			*ret_len = (size_t)len[1];
			return p;
		}
		p += len[1];
	}
	return NULL;
}

json_t *feature_class_names(const json_t *features, const char *column)
{
	const json_t *feature = json_object_get(features, column);
	json_t *names, *name;
	size_t i;

	if (json_is_object(json_object_get(feature, "feature"))) /* of a list */
		feature = json_object_get(feature, "feature");
	names = json_object_get(feature, "names");
	if (!str_eq(json_get_str(feature, "_type", ""), "ClassLabel") || !json_array_size(names))
		return NULL;
	json_array_foreach(names, i, name) {
		if (!json_is_string(name))
			return NULL;
	}
	return json_incref(names);
}

json_t *schema_class_names(const struct ArrowSchema *schema, const char *column)
{
	OWN(json_decrefp) json_t *j = NULL;
	size_t len;
	const char *text = schema_metadata(schema, "huggingface", &len);

	if (!text || json_parse(text, len, &j, NULL) < 0)
		return NULL;
	return feature_class_names(json_object_get(json_object_get(j, "info"), "features"), column);
}

int arrow_error(const struct arw_error *e, struct err *reterr, const char *what)
{
	switch (e->code) {
	case ARW_NO_MEMORY:
		return err_errno(reterr, ENOMEM, "%s", what);
	case ARW_IO:
		return err_errno(reterr, e->errnum, "%s", what);
	case ARW_CORRUPT:
		return err_set(reterr, ERR_CORRUPT, "%s: %s", what, e->msg);
	case ARW_INTERNAL:
		break;
	}
	return err_set(reterr, EIO, "%s: %s", what, e->msg);
}
