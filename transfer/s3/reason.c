/* SPDX-License-Identifier: MIT */
/* The reason code and the sentence of a job whose S3 call failed. */
#include "base/str.h"
#include "transfer/s3/pump.h"

#include <errno.h>
#include <string.h>

static int refused(struct slot *s, const char *where, struct err *reterr)
{
	const struct aws_call *c = &s->s3.call;
	const char *owner = NULL;

	for (size_t i = 0; i < c->headers_n; i++)
		if (str_starts(c->headers[i], "x-amz-expected-bucket-owner: "))
			owner = strchr(c->headers[i], ' ') + 1;
	s->pump->t->failure_code = "access_denied";
	if (owner)
		return err_set(reterr, EPERM,
			       "%s is refused on %s: the credentials have no permission, or the "
			       "bucket is not of account %s (%s)",
			       c->operation, where, owner, c->err.msg);
	return err_set(reterr, EPERM,
		       "%s is refused on %s: the credentials have no permission for it%s (%s)",
		       c->operation, where,
		       str_eq(c->operation, "HeadObject")
			       ? ", or the object does not exist and the credentials may not list "
				 "the bucket"
			       : "",
		       c->err.msg);
}

/* The error of a call that the body's callback gave up. */
static int given_up(struct slot *s, const char *where, struct err *reterr)
{
	if (s->io_errno == EOVERFLOW)
		return err_set(reterr, ERR_CORRUPT, "the answer for %s is longer than S3 announced",
			       where);
	if (s->io_errno)
		return err_errno(reterr, s->io_errno, "%s %s",
				 s->s3.call.on_data ? "write what comes from" : "read for", where);
	if (s->s3.call.read_body)
		return err_set(reterr, ERR_CONFLICT,
			       "the file for %s became shorter during the upload", where);
	*reterr = s->s3.call.err;
	return s->s3.call.result;
}

/* The error for a missing key or bucket; the answer to a HEAD does not say which. */
static int missing(struct slot *s, const char *where, struct err *reterr)
{
	s->pump->t->failure_code = "data_missing";
	return err_set(reterr, ERR_NOT_FOUND, "%s does not exist", where);
}

int pump_why(struct slot *s, struct err *reterr)
{
	const struct aws_call *c = &s->s3.call;
	struct transfer *t = s->pump->t;
	char where[S3_URI_MAX];

	str_excerptf(where, sizeof(where), "s3://%s/%s", c->bucket, c->key ? c->key : "");
	t->failure_code = NULL;
	if (s->io_errno || c->result == -ERR_CANCELLED)
		return given_up(s, where, reterr);
	switch (s3_problem_of(&s->s3)) {
	case S3_NO_BUCKET:
		t->failure_code = "bucket_missing";
		return err_set(reterr, ERR_NOT_FOUND, "the bucket '%s' does not exist", c->bucket);
	case S3_OTHER_REGION:
		t->failure_code = "bucket_region";
		return err_set(reterr, ERR_CONFLICT,
			       "the bucket '%s' is in another region and did not answer there: %s",
			       c->bucket, c->err.msg);
	case S3_EXISTS:
		t->failure_code = "access_denied";
		return err_set(reterr, ERR_EXISTS, "the bucket '%s' belongs to another account",
			       c->bucket);
	case S3_DENIED:
		return refused(s, where, reterr);
	case S3_CREDENTIALS:
		t->failure_code = "credentials";
		break;
	case S3_NO_KEY:
		return missing(s, where, reterr);
	case S3_ARCHIVED:
		t->failure_code = "object_archived";
		return err_set(reterr, ERR_CONFLICT,
			       "%s is archived (S3 Glacier); restore it first, with 'aws s3api "
			       "restore-object'",
			       where);
	case S3_CHANGED:
		t->failure_code = "transfer_failed";
		return err_set(reterr, ERR_CONFLICT, "%s was replaced while it was downloaded",
			       where);
	case S3_FINE:
	case S3_NO_UPLOAD:
	case S3_FAILED:
		t->failure_code = c->kind == AWS_ERROR_THROTTLED ? "throttled" : "transfer_failed";
		break;
	}
	*reterr = c->err;
	return err_ctx(reterr, c->result, "%s", where);
}
