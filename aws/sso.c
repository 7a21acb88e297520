/* SPDX-License-Identifier: MIT */
/* Keys of an SSO session that `aws sso login` has opened, and of a credential_process. */
#include "aws/config.h"
#include "base/clock.h"
#include "base/fileio.h"
#include "base/hash.h"
#include "base/own.h"
#include "base/proc.h"
#include "base/str.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define CACHE_MAX  (256 << 10)
#define OUTPUT_MAX (64 << 10)
#define PROCESS_US (60 * USEC_PER_SEC)
#define ARGS_MAX   64
#define SERVICE_US (20 * USEC_PER_SEC)

extern char **environ;

/* ---- SSO ---- */

static int cached_token(const struct aws_config *c, const char *name, char *ret, size_t size,
			struct err *reterr)
{
	OWN(json_decrefp) json_t *in = NULL;
	char hex[HASH_SHA1_HEX_LEN], path[AWS_URL_MAX];
	const char *home = aws_env(c, "HOME");
	int64_t expires_us = 0;

	hash_sha1(name, strlen(name), hex);
	snprintf(path, sizeof(path), "%s/.aws/sso/cache/%s.json", home ? home : "", hex);
	if (json_read_file(AT_FDCWD, path, CACHE_MAX, &in, NULL) < 0 ||
	    clock_parse(json_get_str(in, "expiresAt", ""), &expires_us) < 0 ||
	    !str_copy(ret, size, json_get_str(in, "accessToken", "")) || !ret[0])
		return err_set(reterr, ERR_INVALID,
			       "there is no SSO session for '%s': run `aws sso login`", name);
	if (expires_us <= clock_now_us())
		return err_set(reterr, ERR_INVALID,
			       "the SSO session for '%s' has expired: run `aws sso login`", name);
	return 0;
}

/* The role's keys are one level down: {"roleCredentials": {…}}. */
static int role_credentials(const struct net_request *rq, struct aws_keys *ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *in = NULL;
	OWN(freep) char *text = NULL;

	if (rq->status != 200)
		return err_set(reterr, ERR_INVALID,
			       "SSO answered %d; if the session has ended, run `aws sso login`",
			       rq->status);
	if (json_parse(buf_str(&rq->reply), rq->reply.len, &in, NULL) < 0)
		return err_set(reterr, ERR_INVALID, "SSO did not answer with JSON");
	text = json_text(json_object_get(in, "roleCredentials"));
	return aws_keys_from_json(text ? text : "{}", text ? strlen(text) : 2, "accessKeyId",
				  "secretAccessKey", "sessionToken", "expiration", "SSO", ret,
				  reterr);
}

int aws_keys_from_sso(const struct aws_config *c, const char *profile, struct net *net,
		      struct aws_keys *ret, struct err *reterr)
{
	const char *session = aws_profile_key(c, profile, "sso_session");
	const json_t *section = session ? json_object_get(c->sessions, session) : NULL;
	const char *region = session ? json_get_str(section, "sso_region", NULL)
				     : aws_profile_key(c, profile, "sso_region");
	const char *name = session ? session : aws_profile_key(c, profile, "sso_start_url");
	const char *account = aws_profile_key(c, profile, "sso_account_id");
	const char *role = aws_profile_key(c, profile, "sso_role_name");
	OWN(buf_done) struct buf url = BUF_INIT(4096);
	OWN(buf_done) struct buf header = BUF_INIT(16 << 10);
	char token[8192];
	struct aws_endpoint at;
	struct net_request rq;
	int r;

	if (!region || !account || !role)
		return err_set(reterr, ERR_INVALID,
			       "profile '%s' uses SSO and needs sso_region, sso_account_id and "
			       "sso_role_name",
			       profile);
	r = cached_token(c, name, token, sizeof(token), reterr);
	if (r >= 0)
		r = aws_endpoint_of(c, AWS_SSO, region, NULL, &at, reterr);
	if (r < 0)
		return r;
	buf_printf(&url, "%s%s/federation/credentials?account_id=", at.url, at.base_path);
	sigv4_escape(&url, account, false);
	buf_puts(&url, "&role_name=");
	sigv4_escape(&url, role, false);
	buf_printf(&header, "x-amz-sso_bearer_token: %s", token);
	net_request_init(&rq);
	rq.url = buf_str(&url);
	rq.headers[rq.headers_n++] = buf_str(&header);
	rq.timeout_us = SERVICE_US;
	rq.reply_max = CACHE_MAX;
	r = net_wait(net, &rq, reterr);
	if (r == 0)
		r = role_credentials(&rq, ret, reterr);
	net_request_done(&rq);
	return r;
}

/* ---- credential_process ---- */

/* Split as a shell would, without being one: quotes and backslashes. In place. */
static int split(char *text, char **argv, struct err *reterr)
{
	size_t n = 0;
	char *in = text, *out = text;

	while (*in) {
		char quote = 0;

		in += strspn(in, " \t");
		if (!*in)
			break;
		if (n == ARGS_MAX)
			return err_set(reterr, ERR_LIMIT,
				       "a credential_process has at most %d words", ARGS_MAX);
		argv[n++] = out;
		for (; *in && (quote || (*in != ' ' && *in != '\t')); in++) {
			if (!quote && (*in == '\'' || *in == '"'))
				quote = *in;
			else if (quote == *in)
				quote = 0;
			else if (*in == '\\' && quote != '\'' && in[1])
				*out++ = *++in;
			else
				*out++ = *in;
		}
		if (quote)
			return err_set(reterr, ERR_INVALID,
				       "the credential_process has an open quote");
		in += *in != '\0';
		*out++ = '\0';
	}
	argv[n] = NULL;
	return n ? 0 : err_set(reterr, ERR_INVALID, "the credential_process is empty");
}

/* The program on PATH. */
static bool find_program(const char *name, char *ret, size_t size)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return str_copy(ret, size, name);
	for (; path && *path; path += strcspn(path, ":"), path += *path == ':') {
		int n = snprintf(ret, size, "%.*s/%s", (int)strcspn(path, ":"), path, name);

		if (n > 0 && (size_t)n < size && access(ret, X_OK) == 0)
			return true;
	}
	return false;
}

/* Both pipes to their ends, within PROCESS_US. */
static int read_both(int out_fd, int err_fd, struct buf *out, struct buf *errors)
{
	struct pollfd fds[2] = {{.fd = out_fd, .events = POLLIN}, {.fd = err_fd, .events = POLLIN}};
	struct buf *into[2] = {out, errors};
	int64_t until = clock_mono_us() + PROCESS_US;

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		int64_t left = until - clock_mono_us();

		if (left <= 0 || poll(fds, 2, (int)(left / 1000) + 1) == 0)
			return -ETIMEDOUT;
		for (int i = 0; i < 2; i++) {
			char chunk[4096];
			ssize_t n;

			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			n = read(fds[i].fd, chunk, sizeof(chunk));
			if (n <= 0)
				fds[i].fd = -1;
			else
				buf_put(into[i], chunk, (size_t)n);
		}
	}
	return 0;
}

static int run(char **argv, struct buf *out, struct buf *errors, int *ret_status,
	       struct err *reterr)
{
	OWN(closep) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int o[2] = {-1, -1}, e[2] = {-1, -1}, r;
	char path[AWS_URL_MAX];
	struct proc_spec spec = {.path = path,
				 .argv = (const char *const *)argv,
				 .envp = (const char *const *)environ,
				 .new_session = true};
	pid_t pid = 0;

	if (!find_program(argv[0], path, sizeof(path)))
		return err_set(reterr, ERR_INVALID, "the credential_process '%s' is not on PATH",
			       argv[0]);
	if (null < 0 || pipe2(o, O_CLOEXEC) < 0 || pipe2(e, O_CLOEXEC) < 0)
		return err_errno(reterr, errno, "run the credential_process");
	spec.fds[0] = (struct proc_fd){null, 0};
	spec.fds[1] = (struct proc_fd){o[1], 1};
	spec.fds[2] = (struct proc_fd){e[1], 2};
	spec.fds_n = 3;
	r = proc_spawn(&spec, &pid, reterr);
	close(o[1]);
	close(e[1]);
	if (r >= 0) {
		r = read_both(o[0], e[0], out, errors);
		if (r < 0)
			kill(-pid, SIGKILL);
		waitpid(pid, ret_status, 0);
		if (r < 0)
			r = err_errno(reterr, -r, "the credential_process '%s' did not end",
				      argv[0]);
	}
	close(o[0]);
	close(e[0]);
	return r;
}

int aws_keys_from_process(const char *command, struct aws_keys *ret, struct err *reterr)
{
	OWN(buf_done) struct buf out = BUF_INIT(OUTPUT_MAX);
	OWN(buf_done) struct buf errors = BUF_INIT(OUTPUT_MAX);
	OWN(json_decrefp) json_t *in = NULL;
	OWN(freep) char *text = strdup(command);
	char *argv[ARGS_MAX + 1];
	int status = 0, r = text ? split(text, argv, reterr) : -ENOMEM;

	if (r >= 0)
		r = run(argv, &out, &errors, &status, reterr);
	if (r < 0)
		return r;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(reterr, ERR_INVALID, "the credential_process '%s' failed: %.300s",
			       argv[0], errors.len ? buf_str(&errors) : "it said nothing");
	if (json_parse(buf_str(&out), out.len, &in, NULL) < 0 ||
	    json_get_int(in, "Version", 0) != 1)
		return err_set(reterr, ERR_INVALID,
			       "the credential_process '%s' must print JSON with \"Version\": 1",
			       argv[0]);
	return aws_keys_from_json(buf_str(&out), out.len, "AccessKeyId", "SecretAccessKey",
				  "SessionToken", "Expiration", "the credential_process", ret,
				  reterr);
}
