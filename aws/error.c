/* SPDX-License-Identifier: MIT */
/* The meaning of the services' errors: one table, the first match decides. Each group names its
 * public source. */
#include "aws/internal.h"
#include "base/own.h"
#include "base/str.h"

#include <string.h>

#define ANY AWS_SERVICES_

static const struct row {
	enum aws_service service;
	const char *operation; /* its beginning; NULL: any */
	const char *code;      /* NULL: any */
	const char *message;   /* a part of it; NULL: any */
	enum aws_error_kind kind;
} rows[] = {
	/* SageMaker uses ValidationException for most errors; only the text distinguishes them
	 * (github.com/aws/amazon-sagemaker-operator-for-k8s, clientwrapper; sagemaker-python-sdk,
	 * session.py). */
	{AWS_SAGEMAKER, NULL, NULL, "Could not assume role", AWS_ERROR_ROLE},
	{AWS_SAGEMAKER, NULL, NULL, "Cannot create already existing", AWS_ERROR_EXISTS},
	{AWS_SAGEMAKER, "Create", NULL, "already exists", AWS_ERROR_EXISTS},
	{AWS_SAGEMAKER, "Create", "ResourceInUse", NULL, AWS_ERROR_EXISTS},
	{AWS_SAGEMAKER, NULL, "ResourceInUse", NULL, AWS_ERROR_IN_PROGRESS},
	{AWS_SAGEMAKER, NULL, "ConflictException", NULL, AWS_ERROR_IN_PROGRESS},
	{AWS_SAGEMAKER, NULL, NULL, "in-progress endpoint", AWS_ERROR_IN_PROGRESS},
	{AWS_SAGEMAKER, "Stop", NULL, "is in status", AWS_ERROR_TERMINAL},
	{AWS_SAGEMAKER, NULL, NULL, "Could not find model data", AWS_ERROR_INVALID},
	{AWS_SAGEMAKER, NULL, "ValidationException", "Could not find", AWS_ERROR_NOT_FOUND},
	{AWS_SAGEMAKER, NULL, "ValidationException", "Requested resource not found",
	 AWS_ERROR_NOT_FOUND},
	{AWS_SAGEMAKER, NULL, NULL, "Unable to provision requested ML compute capacity",
	 AWS_ERROR_CAPACITY},
	{AWS_SAGEMAKER, NULL, NULL, "service limit", AWS_ERROR_QUOTA},
	{ANY, NULL, "ResourceLimitExceeded", NULL, AWS_ERROR_QUOTA},
	/* botocore/data/sagemaker-runtime/2017-05-13/service-2.json */
	{AWS_RUNTIME, NULL, "ModelError", NULL, AWS_ERROR_MODEL},
	{AWS_RUNTIME, NULL, "ModelNotReadyException", NULL, AWS_ERROR_TRANSIENT},
	{AWS_RUNTIME, NULL, "ValidationError", "ariant ",
	 AWS_ERROR_INVALID}, /* the variant is missing, not the endpoint */
	{AWS_RUNTIME, NULL, "ValidationError", "not found", AWS_ERROR_NOT_FOUND},
	/* docs.aws.amazon.com, "Amazon S3 API: error responses" */
	{AWS_S3, "Put", "PreconditionFailed", NULL, AWS_ERROR_EXISTS},
	{AWS_S3, "CompleteMultipartUpload", "PreconditionFailed", NULL, AWS_ERROR_EXISTS},
	{AWS_S3, NULL, "ConditionalRequestConflict", NULL, AWS_ERROR_TRANSIENT},
	{AWS_S3, NULL, "BucketAlreadyOwnedByYou", NULL, AWS_ERROR_EXISTS},
	{AWS_S3, NULL, "BucketAlreadyExists", NULL, AWS_ERROR_EXISTS},
	/* S3's list of error codes: another CreateBucket or DeleteBucket is under way, try again */
	{AWS_S3, NULL, "OperationAborted", NULL, AWS_ERROR_THROTTLED},
	{AWS_S3, NULL, "TooManyBuckets", NULL, AWS_ERROR_QUOTA},
	{AWS_S3, NULL, "NoSuchKey", NULL, AWS_ERROR_NOT_FOUND},
	{AWS_S3, NULL, "NoSuchBucket", NULL, AWS_ERROR_NOT_FOUND},
	{AWS_S3, NULL, "NoSuchUpload", NULL, AWS_ERROR_NOT_FOUND},
	{AWS_S3, NULL, "NoSuchVersion", NULL, AWS_ERROR_NOT_FOUND},
	/* botocore/data/iam and data/logs */
	{AWS_IAM, NULL, "NoSuchEntity", NULL, AWS_ERROR_NOT_FOUND},
	{AWS_IAM, NULL, "EntityAlreadyExists", NULL, AWS_ERROR_EXISTS},
	{AWS_IAM, NULL, "LimitExceeded", NULL, AWS_ERROR_QUOTA},
	{AWS_LOGS, NULL, "ResourceAlreadyExistsException", NULL, AWS_ERROR_EXISTS},
	{ANY, NULL, "ServiceQuotaExceededException", NULL, AWS_ERROR_QUOTA},
	{ANY, NULL, "ResourceNotFound", NULL, AWS_ERROR_NOT_FOUND},
	{ANY, NULL, "ResourceNotFoundException", NULL, AWS_ERROR_NOT_FOUND},
	{ANY, NULL, "InsufficientInstanceCapacity", NULL, AWS_ERROR_CAPACITY},
	{ANY, NULL, "InsufficientCapacityException", NULL, AWS_ERROR_CAPACITY},
	/* botocore/retries/standard.py */
	{ANY, NULL, "Throttling", NULL, AWS_ERROR_THROTTLED},
	{ANY, NULL, "ThrottlingException", NULL, AWS_ERROR_THROTTLED},
	{ANY, NULL, "ThrottledException", NULL, AWS_ERROR_THROTTLED},
	{ANY, NULL, "RequestThrottledException", NULL, AWS_ERROR_THROTTLED},
	{ANY, NULL, "RequestThrottled", NULL, AWS_ERROR_THROTTLED},
	{ANY, NULL, "TooManyRequestsException", NULL, AWS_ERROR_THROTTLED},
	{ANY, NULL, "RequestLimitExceeded", NULL, AWS_ERROR_THROTTLED},
	{ANY, NULL, "BandwidthLimitExceeded", NULL, AWS_ERROR_THROTTLED},
	{ANY, NULL, "LimitExceededException", NULL, AWS_ERROR_THROTTLED},
	{ANY, NULL, "SlowDown", NULL, AWS_ERROR_THROTTLED},
	{ANY, NULL, "PriorRequestNotComplete", NULL, AWS_ERROR_THROTTLED},
	{ANY, NULL, "TransactionInProgressException", NULL, AWS_ERROR_THROTTLED},
	{ANY, NULL, "ProvisionedThroughputExceededException", NULL, AWS_ERROR_THROTTLED},
	{ANY, NULL, "EC2ThrottledException", NULL, AWS_ERROR_THROTTLED},
	{ANY, NULL, "RequestTimeout", NULL, AWS_ERROR_TRANSIENT},
	{ANY, NULL, "RequestTimeoutException", NULL, AWS_ERROR_TRANSIENT},
	{ANY, NULL, "InternalError", NULL, AWS_ERROR_TRANSIENT}, /* S3, also with status 200 */
	/* docs.aws.amazon.com, "Common errors" of each service */
	{ANY, NULL, "ExpiredToken", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "ExpiredTokenException", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "TokenRefreshRequired", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "RequestExpired", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "RequestInTheFuture", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "RequestTimeTooSkewed", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "UnrecognizedClientException", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "InvalidClientTokenId", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "InvalidAccessKeyId", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "InvalidToken", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "InvalidSignatureException", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "SignatureDoesNotMatch", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "IncompleteSignature", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "IncompleteSignatureException", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "MissingAuthenticationToken", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "MissingAuthenticationTokenException", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "AuthFailure", NULL, AWS_ERROR_CREDENTIALS},
	{ANY, NULL, "AccessDenied", NULL, AWS_ERROR_DENIED},
	{ANY, NULL, "AccessDeniedException", NULL, AWS_ERROR_DENIED},
	{ANY, NULL, "AllAccessDisabled", NULL, AWS_ERROR_DENIED},
	{ANY, NULL, "AccountProblem", NULL, AWS_ERROR_DENIED},
	{ANY, NULL, "OptInRequired", NULL, AWS_ERROR_DENIED},
	{ANY, NULL, "UnauthorizedOperation", NULL, AWS_ERROR_DENIED},
};

static bool matches(const struct row *row, enum aws_service service, const char *operation,
		    const char *code, const char *message)
{
	return (row->service == ANY || row->service == service) &&
	       (!row->operation || str_starts(operation, row->operation)) &&
	       (!row->code || str_eq(code, row->code)) &&
	       (!row->message || strstr(message, row->message));
}

enum aws_error_kind error_kind(enum aws_service service, const char *operation, const char *code,
			       const char *message, int status)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (matches(&rows[i], service, operation, code, message))
			return rows[i].kind;
	if (status == 429 || status == 509)
		return AWS_ERROR_THROTTLED;
	if (service == AWS_RUNTIME && status == 424)
		return AWS_ERROR_MODEL;
	if (status >= 500)
		return AWS_ERROR_TRANSIENT;
	if (status == 404)
		return AWS_ERROR_NOT_FOUND;
	if (status == 401 || status == 403)
		return AWS_ERROR_DENIED;
	return AWS_ERROR_INVALID;
}

/* True for clock-skew codes (aws-sdk-go, "clock skew"), and for a refused HEAD, which has no
 * code. */
bool error_is_skew(const char *code, int status)
{
	static const char *const codes[] = {
		"RequestTimeTooSkewed",	     "RequestExpired",	      "RequestInTheFuture",
		"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure",
	};

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (str_eq(code, codes[i]))
			return true;
	return status == 403 && str_eq(code, "403");
}

static const int kind_codes[] = {
	[AWS_ERROR_NONE] = 0,
	[AWS_ERROR_THROTTLED] = ERR_UNAVAILABLE,
	[AWS_ERROR_TRANSIENT] = ERR_UNAVAILABLE,
	[AWS_ERROR_CREDENTIALS] = EACCES,
	[AWS_ERROR_DENIED] = EPERM,
	[AWS_ERROR_NOT_FOUND] = ERR_NOT_FOUND,
	[AWS_ERROR_EXISTS] = ERR_EXISTS,
	[AWS_ERROR_IN_PROGRESS] = ERR_CONFLICT,
	[AWS_ERROR_QUOTA] = ERR_LIMIT,
	[AWS_ERROR_CAPACITY] = ERR_UNAVAILABLE,
	[AWS_ERROR_ROLE] = ERR_INVALID,
	[AWS_ERROR_TERMINAL] = ERR_GONE,
	[AWS_ERROR_MODEL] = EREMOTEIO,
	[AWS_ERROR_INVALID] = ERR_INVALID,
	[AWS_ERROR_UNREADABLE] = ERR_CORRUPT,
};

int error_code(enum aws_error_kind kind)
{
	return kind_codes[kind];
}
