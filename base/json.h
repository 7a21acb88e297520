/* SPDX-License-Identifier: MIT */
/*
 * JSON: the one door to Jansson. Readers borrow, builders own, as in Jansson; everything here
 * adds limits and good errors. Objects with a key twice are refused. OWN(json_decrefp) works.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 64

/* Parse exactly one value of any type; nesting beyond JSON_DEPTH_MAX is refused. On -ERR_INVALID
 * the message has line and column. *ret is a new reference. */
int json_parse(const char *text, size_t len, json_t **ret, struct err *reterr) MUSTCHECK;
/* The same, for callers that take json_string_length: strings may hold U+0000. */
int json_parse_nul(const char *text, size_t len, json_t **ret, struct err *reterr) MUSTCHECK;
/* -ERR_LIMIT if the text could have more values, or more objects and lists, than these: before any
 * is built, since an empty one takes a hundred times its text. */
int json_check_counts(const char *text, size_t len, size_t values_max, size_t containers_max,
		      struct err *reterr) MUSTCHECK;
/* The same from a file of at most max_bytes. -ENOENT, -ERR_LIMIT, -ERR_INVALID. */
int json_read_file(int at, const char *path, size_t max_bytes, json_t **ret,
		   struct err *reterr) MUSTCHECK;
/* The ways to write JSON. Real numbers have the shortest form that reads back equal. Caller frees;
 * NULL when memory is out. Compact text, sorted keys: */
char *json_text(const json_t *j);
/* Compact, keys in the order of the object, with a final newline. */
char *json_line(const json_t *j);
/* Like json_text, with 2-space indentation and a final newline, for files people read. */
char *json_pretty(const json_t *j);

/* Typed look-ups that fall back when the key is absent or of another type. */
const char *json_get_str(const json_t *obj, const char *key, const char *fallback);
int64_t json_get_int(const json_t *obj, const char *key, int64_t fallback);
double json_get_num(const json_t *obj, const char *key, double fallback); /* int or real */
bool json_get_bool(const json_t *obj, const char *key, bool fallback);
/* A double as JSON: null when not finite (Jansson cannot hold NaN). New reference. */
json_t *json_number(double v);
/* A double as JSON that keeps what is not finite by its name in Python and JavaScript: "NaN",
 * "Infinity", "-Infinity". New reference. */
json_t *json_any_number(double v);
/* The double of a number or of such a name; false for anything else. */
bool json_any_number_get(const json_t *j, double *ret);
/* Set key to a string, or to null for NULL. 0 or -1 as Jansson does. */
int json_set_str(json_t *obj, const char *key, const char *value);
/* Append "/key" to a JSON pointer, escaping ~ and / (RFC 6901). */
void json_pointer_add(char *pointer, size_t size, const char *key);
void json_pointer_add_index(char *pointer, size_t size, size_t index);
/* The type's name as people say it: "a string", "an object", ... */
const char *json_type_name(const json_t *j);
