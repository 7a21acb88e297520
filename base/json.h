/* SPDX-License-Identifier: MIT */
/*
 * The only interface to Jansson. As in Jansson, readers borrow and builders own; this file adds
 * limits and clear errors. Objects with a duplicate key are refused. OWN(json_decrefp) works. Any
 * thread.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 64

/* Parse exactly one value of any type. Nesting beyond JSON_DEPTH_MAX is refused. -ERR_INVALID: the
 * message has line and column. *ret is a new reference. */
int json_parse(const char *text, size_t len, json_t **ret, struct err *reterr) MUSTCHECK;
/* As json_parse(), for callers that use json_string_length: strings may contain U+0000. */
int json_parse_nul(const char *text, size_t len, json_t **ret, struct err *reterr) MUSTCHECK;
/* As json_parse(), but NaN, Infinity and -Infinity, which Python's json writes for numbers, are
 * read as those texts (json_any_number_get). */
int json_parse_names(const char *text, size_t len, json_t **ret, struct err *reterr) MUSTCHECK;
/* -ERR_LIMIT if the text could have more values, or more objects and lists, than allowed. Check
 * before parsing, because an empty object takes a hundred times the size of its text. */
int json_check_counts(const char *text, size_t len, size_t values_max, size_t containers_max,
		      struct err *reterr) MUSTCHECK;
/* As json_parse(), from a file of at most max_bytes. -ENOENT, -ERR_LIMIT, -ERR_INVALID. */
int json_read_file(int at, const char *path, size_t max_bytes, json_t **ret,
		   struct err *reterr) MUSTCHECK;
/* JSON as compact text with sorted keys. A real number has the shortest form that reads back equal,
 * also in the functions below. The caller frees the text; NULL if memory is out. */
char *json_text(const json_t *j);
/* As json_text(), with the keys in the object's order and a final newline. */
char *json_line(const json_t *j);
/* As json_text(), with 2-space indentation and a final newline, for people. */
char *json_pretty(const json_t *j);

/* Typed look-ups. Return `fallback` if the key is absent or has another type. */
const char *json_get_str(const json_t *obj, const char *key, const char *fallback);
int64_t json_get_int(const json_t *obj, const char *key, int64_t fallback);
double json_get_num(const json_t *obj, const char *key, double fallback); /* integer or real */
bool json_get_bool(const json_t *obj, const char *key, bool fallback);
/* A double as JSON; null if it is not finite, because Jansson cannot hold NaN. New reference. */
json_t *json_number(double v);
/* A double as JSON; a value that is not finite becomes its name in Python and JavaScript: "NaN",
 * "Infinity", "-Infinity". New reference. */
json_t *json_any_number(double v);
/* Read a number or such a name. Returns false for any other value. */
bool json_any_number_get(const json_t *j, double *ret);
/* Set key to a string, or to null if `value` is NULL. Returns 0 or -1, as Jansson. */
int json_set_str(json_t *obj, const char *key, const char *value);
/* True if a string of `j`, at any depth, contains `part`. Keys do not count. */
bool json_has_text(const json_t *j, const char *part);
/* Append "/key" to a JSON pointer, escaping ~ and / (RFC 6901). */
void json_pointer_add(char *pointer, size_t size, const char *key);
void json_pointer_add_index(char *pointer, size_t size, size_t index);
/* The type's name in messages: "a string", "an object", ... */
const char *json_type_name(const json_t *j);
