/* SPDX-License-Identifier: MIT */
/*
 * doctor: what keeps jobs from running, one line for each check, with the line that mends it. The
 * way to the daemon is looked at here, the machine by the daemon (GET /v1/doctor).
 */
#include "base/own.h"
#include "base/str.h"
#include "base/version.h"
#include "cli/client.h"
#include "cli/show.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SOCKET "/run/trainyard/trainyard.sock"

struct report {
	bool json, failed;
	json_t *checks;
};

static void report(struct report *to, json_t *check)
{
	const char *state = json_get_str(check, "state", "failed");
	const char *remedy = json_get_str(check, "remedy", NULL);

	to->failed |= str_eq(state, "failed");
	json_array_append_new(to->checks, check);
	if (to->json)
		return;
	printf("%-8s %-14s %s%s%s\n", state, json_get_str(check, "check", ""),
	       json_get_str(check, "message", ""), remedy ? "\n         mend it: " : "",
	       remedy ? remedy : "");
}

static void report_here(struct report *to, const char *name, const char *state, const char *message,
			const char *remedy)
{
	json_t *check = json_pack("{ss ss ss}", "check", name, "state", state, "message", message);

	if (remedy)
		json_object_set_new(check, "remedy", json_string(remedy));
	report(to, check);
}

/* The socket of the service, whichever address is in use. */
static void look_at_socket(struct report *to)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = SOCKET};
	OWN(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		report_here(to, "socket", "ok", SOCKET, NULL);
	else if (errno == EACCES)
		report_here(to, "socket", "failed",
			    "you are not in the group trainyard, which may open " SOCKET,
			    "sudo usermod -aG trainyard $USER, then log in anew");
	else if (errno == ENOENT || errno == ENOTDIR)
		report_here(to, "socket", "off", "there is no " SOCKET,
			    "sudo systemctl enable --now trainyard.socket");
	else
		report_here(to, "socket", "failed", "nobody listens on " SOCKET,
			    "sudo systemctl restart trainyard.socket trainyard");
}

static void look_at_version(struct report *to, const json_t *version)
{
	const char *theirs = json_get_str(version, "version", "");
	char text[160];

	str_excerptf(text, sizeof(text), "the daemon is %s, this client is %s", theirs,
		     version_text());
	if (str_eq(theirs, version_text()))
		report_here(to, "version", "ok", text, NULL);
	else
		report_here(to, "version", "warning", text, "sudo systemctl restart trainyard");
}

/* Returns 0 if the daemon has answered. */
static int look_at_daemon(struct cli *c, struct report *to, struct err *reterr)
{
	OWN(json_decrefp) json_t *version = NULL;
	OWN(json_decrefp) json_t *answer = NULL;
	struct request_path p;
	json_t *check;
	size_t i;
	int r;

	request_path(&p, "/v1/version");
	r = client_request(c, "GET", &p, NULL, &version, reterr);
	if (r < 0) {
		report_here(to, "daemon", "failed", reterr->msg,
			    "sudo systemctl enable --now trainyard.socket trainyard; "
			    "journalctl -u trainyard says why it ended");
		return r;
	}
	report_here(to, "daemon", "ok", c->url, NULL);
	look_at_version(to, version);
	request_path(&p, "/v1/doctor");
	r = client_request(c, "GET", &p, NULL, &answer, reterr);
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(answer, "checks"), i, check)
		report(to, json_incref(check));
	return 0;
}

int cmd_doctor(struct cli *c)
{
	OWN(json_decrefp) json_t *all = NULL;
	struct report to = {.json = c->json, .checks = json_array()};
	struct err e;
	int r;

	all = json_pack("{so}", "checks", to.checks);
	look_at_socket(&to);
	r = look_at_daemon(c, &to, &e);
	if (c->json)
		show_json(all);
	if (r < 0)
		return client_may_retry(r) ? CLI_UNREACHABLE : cli_fail(c, &e);
	return to.failed ? CLI_FAILED : CLI_OK;
}
