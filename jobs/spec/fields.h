/* SPDX-License-Identifier: MIT */
/*
 * The tables of fields: one row for each JSON key. Parsing, defaults, ranges, "did you mean", the
 * walk over references and the JSON schema all use these rows. Pure; only jobs/spec/ and the
 * daemon's spec checks include this.
 */
#pragma once

#include "base/json.h"
#include "jobs/spec/spec.h"

#include <stdbool.h>
#include <stddef.h>

struct spec_parse; /* jobs/spec/parse.h */

enum field_type {
	FIELD_STRING, /* min..max bytes */
	FIELD_NAME,   /* bytes as in SPEC_NAME_MAX: [a-zA-Z0-9][a-zA-Z0-9_.-]* */
	FIELD_PATH, /* a local path, or a form that `remote` allows; `use` is the path's purpose */
	FIELD_INT,  /* min..max */
	FIELD_NUMBER, /* min..max */
	FIELD_BOOL,
	FIELD_ENUM,	/* one of `words` */
	FIELD_DURATION, /* text; min..max seconds */
	FIELD_BYTES,	/* an integer or text such as "8GiB"; min..max */
	FIELD_OBJECT,	/* an object with the fields of `table` */
	FIELD_LIST,	/* min..max elements of `item` */
	FIELD_MAP,	/* min..max entries of `item`, with free names */
	FIELD_ANY,	/* any JSON value of at most max bytes as text */
	FIELD_JOBS,	/* min..max jobs; jobs/spec/parse.c parses each */
	FIELD_LATER,	/* known but refused; `help` names the alternative */
};

enum {
	SPEC_REQUIRED = 1 << 0,
	SPEC_ABOVE_MIN = 1 << 1, /* values must be greater than min */
	SPEC_UNIQUE = 1 << 2,	 /* a list without duplicates */
	SPEC_SHORT = 1 << 3,	 /* an object that may be given as a string: its first field */
};

/* Forms that a FIELD_PATH allows besides a local path. */
enum {
	REMOTE_S3 = 1 << 0,   /* s3://bucket/key */
	REMOTE_HUB = 1 << 1,  /* the name of a hub model, or an object of `table` */
	REMOTE_JOB = 1 << 2,  /* {"training_job": name} */
	REMOTE_ONLY = 1 << 3, /* remote forms only: no local path */
};

/* The jobs to which a row applies: a bit for each kind, and one for a train job with a script. */
#define SPEC_MODE(kind)	  (1u << (kind))
#define SPEC_TRAIN_SCRIPT (1u << JOB_KINDS_)
#define SPEC_MODES_	  (JOB_KINDS_ + 1)
#define SPEC_ANY_MODE	  0u

/* The role of an output. A row's `accepts` is a set of roles. */
enum output_role {
	ROLE_DATASET = 1 << 0,
	ROLE_MODEL = 1 << 1,
	ROLE_DIRECTORY = 1 << 2, /* any content, also a model in a subdirectory */
	ROLE_FILE = 1 << 3,
	ROLE_ENDPOINT = 1 << 4,
	ROLE_VALUE = 1 << 5, /* a value that is not a path */
};

/* Roles of outputs with files to read. */
#define ROLES_DATA   (ROLE_DATASET | ROLE_DIRECTORY)
#define ROLES_INPUT  (ROLE_DATASET | ROLE_MODEL | ROLE_DIRECTORY)
#define REMOTE_MODEL (REMOTE_S3 | REMOTE_HUB | REMOTE_JOB) /* where a model may lie */

struct spec_field {
	const char *name; /* the name of one item in messages */
	unsigned modes;	  /* SPEC_ANY_MODE or bits */
	enum field_type type;
	unsigned flags;
	double min, max;
	const char *fallback;	  /* default as JSON text; NULL: none, or a rule sets the default */
	const char *const *words; /* NULL-terminated */
	const struct spec_table *table;
	const struct spec_field *item;
	const struct spec_field *text; /* a list or map may be given as one text of this row */
	/* roles of outputs that a reference may name; 0: no references */
	unsigned accepts;
	enum spec_path_use use;
	unsigned remote; /* REMOTE_ bits */
	/* A further check of the normalised value; runs if the type is right. */
	void (*check)(struct spec_parse *p, const struct spec_field *f, const json_t *value);
	const char *help;
};

struct spec_table {
	const char *what; /* "a job", "'dataset'"; used in messages */
	const struct spec_field *fields;
	size_t n;
};

extern const struct spec_table spec_run_table;
extern const struct spec_table spec_job_table;

/* True if the row applies in one of `modes`. */
bool spec_field_in(const struct spec_field *f, unsigned modes);
/* The row of that name that applies in `modes`; NULL if there is none. */
const struct spec_field *spec_field_find(const struct spec_table *t, const char *name,
					 unsigned modes);
/* True if the row applies in `modes` and may be given (not FIELD_LATER). */
bool spec_field_is_open(const struct spec_table *t, const char *name, unsigned modes);
/* The role of an output; 0 if the kind has no such output. */
unsigned spec_output_role(enum job_kind kind, const char *output);
/* The first role of the set as messages name it: "dataset", "model", … */
const char *spec_role_str(unsigned roles);
