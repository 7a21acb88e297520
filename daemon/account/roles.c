/* SPDX-License-Identifier: MIT */
/* IAM roles that SageMaker may assume, and one role with its policies (botocore's
 * iam/2010-05-08/service-2.json). Threads of the account service. */
#include "aws/policy.h"
#include "base/own.h"
#include "base/str.h"
#include "daemon/account/parts.h"

#include <stdio.h>
#include <string.h>

#define SAGEMAKER "sagemaker.amazonaws.com"

/* ---- the list ---- */

static json_t *role_summary(const json_t *raw, enum policy_answer trust)
{
	int64_t seconds = 0;

	(void)!str_to_i64(json_get_str(raw, "MaxSessionDuration", "0"), &seconds);
	return json_pack("{so so so so so sI so}", "name", account_text(raw, "RoleName"), "arn",
			 account_text(raw, "Arn"), "path", account_text(raw, "Path"), "created_at",
			 account_time(json_object_get(raw, "CreateDate")), "description",
			 account_text(raw, "Description"), "max_session_seconds",
			 (json_int_t)seconds, "trust", policy_answer_json(trust));
}

static enum policy_answer trust_of(const json_t *raw, json_t **ret_document)
{
	json_t *document = NULL;
	enum policy_answer trust;

	if (policy_parse(json_get_str(raw, "AssumeRolePolicyDocument", ""), &document, NULL) < 0)
		return POLICY_NO;
	trust = policy_trusts(document, SAGEMAKER);
	if (ret_document)
		*ret_document = document;
	else
		json_decref(document);
	return trust;
}

static json_t *take_role(struct account_turn *t, const json_t *raw)
{
	enum policy_answer trust = trust_of(raw, NULL);

	if (trust == POLICY_NO)
		return NULL;
	if (t->q->name_contains &&
	    !strcasestr(json_get_str(raw, "RoleName", ""), t->q->name_contains))
		return NULL;
	return role_summary(raw, trust);
}

int account_roles(struct account_turn *t)
{
	static const struct account_list roles = {AWS_IAM,  "ListRoles", "Roles",
						  "Marker", "Marker",	 take_role};
	OWN(json_decrefp) json_t *input = json_pack("{si}", "MaxItems", ACCOUNT_PAGE);

	if (t->q->path_prefix)
		json_object_set_new(input, "PathPrefix", json_string(t->q->path_prefix));
	return account_pages(t, &roles, input);
}

/* ---- one role ---- */

struct role {
	struct account_turn *t;
	const char *name;
	json_t *attached, *inlined, *documents, *problems;
	json_t *boundary;
	bool unread;
	size_t policies;
};

/* A missing permission is reported in the answer, and the query continues. */
static int tolerate(struct role *role, int r)
{
	if (r >= 0 || role->t->kind != AWS_ERROR_DENIED)
		return r;
	role->unread = true;
	json_array_append_new(role->problems, json_string(role->t->q->err.msg));
	return 0;
}

/* Parse the document in a response. If it is invalid, adds a problem and returns NULL. */
static json_t *document_in(struct role *role, const json_t *holder, const char *key)
{
	json_t *document = NULL;
	struct err e = {0};

	if (policy_parse(json_get_str(holder, key, ""), &document, &e) >= 0)
		return document;
	role->unread = true;
	json_array_append_new(role->problems, json_string(e.msg));
	return NULL;
}

/* Read a managed policy's default version. Returns 0 with *ret NULL if the permission is
 * missing. */
static int managed_document(struct role *role, const char *arn, json_t **ret)
{
	OWN(json_decrefp) json_t *policy = NULL, *version = NULL;
	json_t *input;
	int r = account_call(role->t, AWS_IAM, "GetPolicy", json_pack("{ss}", "PolicyArn", arn),
			     &policy);

	*ret = NULL;
	if (r >= 0) {
		input = json_pack(
			"{ss ss}", "PolicyArn", arn, "VersionId",
			json_get_str(json_object_get(policy, "Policy"), "DefaultVersionId", "v1"));
		r = account_call(role->t, AWS_IAM, "GetPolicyVersion", input, &version);
	}
	if (r >= 0)
		*ret = document_in(role, json_object_get(version, "PolicyVersion"), "Document");
	return tolerate(role, r);
}

static int add_attached(struct role *role, const json_t *raw)
{
	const char *arn = json_get_str(raw, "PolicyArn", "");
	json_t *document = NULL;
	int r = managed_document(role, arn, &document);

	if (r < 0)
		return r;
	json_array_append_new(role->attached,
			      json_pack("{so ss sO?}", "name", account_text(raw, "PolicyName"),
					"arn", arn, "document", document));
	if (document)
		json_array_append_new(role->documents, document);
	return 0;
}

static int add_inline(struct role *role, const json_t *raw)
{
	const char *name = json_string_value(raw) ? json_string_value(raw) : "";
	OWN(json_decrefp) json_t *answer = NULL;
	json_t *document = NULL;
	int r = account_call(role->t, AWS_IAM, "GetRolePolicy",
			     json_pack("{ss ss}", "RoleName", role->name, "PolicyName", name),
			     &answer);

	if (r >= 0)
		document = document_in(role, answer, "PolicyDocument");
	r = tolerate(role, r);
	if (r < 0)
		return r;
	json_array_append_new(role->inlined,
			      json_pack("{ss sO?}", "name", name, "document", document));
	if (document)
		json_array_append_new(role->documents, document);
	return 0;
}

/* Read all pages of one of the two lists of policies. */
static int add_policies(struct role *role, const char *operation, const char *items,
			int (*add)(struct role *role, const json_t *raw))
{
	OWN(json_decrefp) json_t *input = json_pack("{ss}", "RoleName", role->name);
	const char *next = "";
	int r = 0;

	while (r >= 0 && next) {
		OWN(json_decrefp) json_t *page = NULL;
		const json_t *raw;

		r = account_call(role->t, AWS_IAM, operation, json_copy(input), &page);
		if (r < 0)
			return tolerate(role, r);
		raw = account_items(page, items);
		for (size_t i = 0; r >= 0 && i < json_array_size(raw); i++) {
			if (role->policies++ == ACCOUNT_POLICIES_MAX) {
				role->unread = true;
				json_array_append_new(
					role->problems,
					json_sprintf("the daemon reads the first %d policies only",
						     ACCOUNT_POLICIES_MAX));
				return 0;
			}
			r = add(role, json_array_get(raw, i));
		}
		next = json_get_str(page, "Marker", NULL);
		if (next)
			json_object_set_new(input, "Marker", json_string(next));
	}
	return r;
}

static int add_boundary(struct role *role, const json_t *raw)
{
	const json_t *boundary = json_object_get(raw, "PermissionsBoundary");
	const char *arn = json_get_str(boundary, "PermissionsBoundaryArn", NULL);

	return arn ? managed_document(role, arn, &role->boundary) : 0;
}

/* The bucket: ?bucket=, else the configured one, else the default bucket of SageMaker's SDK. */
static void bucket_of(const struct account_turn *t, const char *role_arn, const char *region,
		      char *ret, size_t size)
{
	const char *account = role_arn;
	int n;

	for (int i = 0; account && i < 4; i++) {
		account = strchr(account, ':');
		account += account != NULL;
	}
	n = account ? (int)strcspn(account, ":") : 0;
	if (t->q->bucket)
		str_must_copy(ret, size, t->q->bucket);
	else if (t->bucket && t->bucket[0])
		str_excerpt(ret, size, t->bucket);
	else
		str_excerptf(ret, size, "sagemaker-%s-%.*s", region, n, account ? account : "");
}

static void finish(struct role *role, const json_t *raw, json_t *trust_document,
		   enum policy_answer trust)
{
	const char *region = role->t->q->region, *arn = json_get_str(raw, "Arn", "");
	const json_t *boundary = json_object_get(raw, "PermissionsBoundary");
	json_t *out = role_summary(raw, trust);
	char bucket[ACCOUNT_BUCKET_MAX + 1];

	if (!region || !region[0])
		region = aws_config_region(aws_config_of(role->t->aws));
	bucket_of(role->t, arn, region, bucket, sizeof(bucket));
	json_object_set(out, "trust_policy", trust_document ? trust_document : json_null());
	json_object_set_new(out, "permissions_boundary",
			    account_text(boundary, "PermissionsBoundaryArn"));
	json_object_set(out, "attached_policies", role->attached);
	json_object_set(out, "inline_policies", role->inlined);
	json_object_set_new(out, "bucket", json_string(bucket));
	json_object_set_new(out, "checks",
			    account_checks(&(struct account_checked){
				    .role_arn = arn,
				    .bucket = bucket,
				    .region = region[0] ? region : "*",
				    .trust = trust_document,
				    .documents = role->documents,
				    .boundary = role->boundary,
				    .unread = role->unread,
			    }));
	json_object_set(out, "problems", role->problems);
	role->t->q->json = out;
}

int account_role(struct account_turn *t)
{
	OWN(json_decrefp) json_t *answer = NULL, *trust_document = NULL;
	struct role role = {
		.t = t,
		.name = t->q->name,
		.attached = json_array(),
		.inlined = json_array(),
		.documents = json_array(),
		.problems = json_array(),
	};
	const json_t *raw;
	enum policy_answer trust;
	int r = account_call(t, AWS_IAM, "GetRole", json_pack("{ss}", "RoleName", t->q->name),
			     &answer);

	raw = json_object_get(answer, "Role");
	if (r >= 0)
		r = add_policies(&role, "ListAttachedRolePolicies", "AttachedPolicies",
				 add_attached);
	if (r >= 0)
		r = add_policies(&role, "ListRolePolicies", "PolicyNames", add_inline);
	if (r >= 0)
		r = add_boundary(&role, raw);
	if (r >= 0) {
		trust = trust_of(raw, &trust_document);
		finish(&role, raw, trust_document, trust);
	}
	json_decref(role.attached);
	json_decref(role.inlined);
	json_decref(role.documents);
	json_decref(role.problems);
	json_decref(role.boundary);
	return r;
}
