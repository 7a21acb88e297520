/* SPDX-License-Identifier: MIT */
/*
 * GET /openapi.json: api/openapi.json with the version and the schema of a job's spec, from the
 * tables that validate it. Built for each request, so that it uses no memory between them. The
 * server's threads run this.
 */
#include "api/handlers.h"

#include "api/openapi.h"
#include "api/reply.h"
#include "base/own.h"
#include "jobs/spec/spec.h"

/* The whole document; a new reference. */
static int openapi_document(const char *version_text, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *doc = NULL;
	json_t *schemas;
	int r;

	r = json_parse(openapi_text, openapi_text_len, &doc, reterr);
	if (r < 0)
		return r;
	json_set_str(json_object_get(doc, "info"), "version", version_text);
	schemas = json_object_get(json_object_get(doc, "components"), "schemas");
	if (json_object_set_new(schemas, "JobSpec", spec_json_schema()) < 0)
		return err_errno(reterr, ENOMEM, "describe the API");
	*ret = TAKE(doc);
	return 0;
}

void openapi(struct request *rq)
{
	json_t *doc = NULL;
	struct err e;
	int r = openapi_document(rq->api->version, &doc, &e);

	if (r < 0)
		reply_error(rq, r, &e);
	else
		reply_json(rq, 200, doc);
}
