/* SPDX-License-Identifier: MIT */
/*
 * The tables of fields: one row per JSON key. Parsing, defaults, ranges, the "did you mean", the
 * walk over references and the JSON schema all come from these rows.
 */
#pragma once

#include "base/json.h"
#include "jobs/spec/spec.h"

#include <stdbool.h>
#include <stddef.h>

struct spec_parse; /* jobs/spec/parse.h */

enum field_type {
	FIELD_STRING, /* min..max bytes */
	FIELD_NAME,   /* SPEC_NAME_MAX bytes of [a-zA-Z0-9][a-zA-Z0-9_.-]* */
	FIELD_PATH,   /* a local path, or what `remote` allows; `use` says what for */
	FIELD_INT,    /* min..max */
	FIELD_NUMBER, /* min..max */
	FIELD_BOOL,
	FIELD_ENUM,	/* one of `words` */
	FIELD_DURATION, /* text; min..max seconds */
	FIELD_BYTES,	/* an integer or text such as "8GiB"; min..max */
	FIELD_OBJECT,	/* of `table` */
	FIELD_LIST,	/* min..max of `item` */
	FIELD_MAP,	/* any names; min..max of `item` */
	FIELD_ANY,	/* any JSON value of at most max bytes as text */
	FIELD_JOBS,	/* min..max jobs; jobs/spec/parse.c looks at each */
	FIELD_LATER,	/* known, refused; `help` says what to do instead */
};

enum {
	SPEC_REQUIRED = 1 << 0,
	SPEC_ABOVE_MIN = 1 << 1, /* min itself is not allowed */
	SPEC_UNIQUE = 1 << 2,	 /* a list without repetitions */
	SPEC_SHORT = 1 << 3,	 /* of an object: a string stands for its first field */
};

/* What may stand in a FIELD_PATH besides a local path. */
enum {
	REMOTE_S3 = 1 << 0,   /* s3://bucket/key */
	REMOTE_HUB = 1 << 1,  /* the name of a model on the hub, or an object of `table` */
	REMOTE_JOB = 1 << 2,  /* {"training_job": name} */
	REMOTE_ONLY = 1 << 3, /* not besides: no local path */
};

/* In which jobs a row applies: bits of kinds, and one more for a train job with a script. */
#define SPEC_MODE(kind)	  (1u << (kind))
#define SPEC_TRAIN_SCRIPT (1u << JOB_KINDS_)
#define SPEC_MODES_	  (JOB_KINDS_ + 1)
#define SPEC_ANY_MODE	  0u

/* What an output is; a row's `accepts` is a set of these. */
enum output_role {
	ROLE_DATASET = 1 << 0,
	ROLE_MODEL = 1 << 1,
	ROLE_DIRECTORY = 1 << 2, /* anything may be in it: a model too, in a sub path */
	ROLE_FILE = 1 << 3,
	ROLE_ENDPOINT = 1 << 4,
	ROLE_VALUE = 1 << 5, /* not a path */
};

struct spec_field {
	const char *name; /* of an item: what one is called in messages */
	unsigned modes;	  /* SPEC_ANY_MODE or bits */
	enum field_type type;
	unsigned flags;
	double min, max;
	const char *fallback;	  /* the default as JSON text; NULL: none, or set by a rule */
	const char *const *words; /* NULL-terminated */
	const struct spec_table *table;
	const struct spec_field *item;
	const struct spec_field *text; /* of a list: a text in its place is one of these */
	unsigned accepts;	       /* outputs that a reference may name; 0: no references */
	enum spec_path_use use;
	unsigned remote; /* REMOTE_ bits */
	/* More to check, after the type is right; `value` is the normalised value. */
	void (*check)(struct spec_parse *p, const struct spec_field *f, const json_t *value);
	const char *help;
};

struct spec_table {
	const char *what; /* "a job", "'dataset'" */
	const struct spec_field *fields;
	size_t n;
};

extern const struct spec_table spec_run_table;
extern const struct spec_table spec_job_table;

/* True if the row applies in one of `modes`. */
bool spec_field_in(const struct spec_field *f, unsigned modes);
/* The row of that name that applies; NULL: none. */
const struct spec_field *spec_field_find(const struct spec_table *t, const char *name,
					 unsigned modes);
/* True if the row applies there and may be given (no FIELD_LATER). */
bool spec_field_is_open(const struct spec_table *t, const char *name, unsigned modes);
/* The role of an output; 0: the kind has no such output. */
unsigned spec_output_role(enum job_kind kind, const char *output);
/* "dataset", "model", … as messages name the roles in the set; the first one. */
const char *spec_role_str(unsigned roles);
