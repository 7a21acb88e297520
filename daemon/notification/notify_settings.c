/* SPDX-License-Identifier: MIT */
/* Names of kinds and formats, and the checks of the program's path and of the address. */
#include "daemon/notification/notify_settings.h"

#include "base/buf.h"
#include "base/own.h"
#include "base/str.h"
#include "net/net.h"

#include <string.h>

#define KEY_COMMAND "notify.command"
#define KEY_URL	    "notify.url"
#define KEY_FORMAT  "notify.format"
#define KEY_ON	    "notify.on"

static const char *const names[NOTIFY_KINDS_] = {
	[NOTIFY_RUN_ENDED] = "run_ended",
	[NOTIFY_JOB_FAILED] = "job_failed",
	[NOTIFY_ENDPOINT_FAILED] = "endpoint_failed",
	[NOTIFY_LEASE_ENDING] = "lease_ending",
	[NOTIFY_CAP_NEAR] = "cap_near",
	[NOTIFY_DISK_LOW] = "disk_low",
	[NOTIFY_TEST] = "test",
	[NOTIFY_MORE] = "more",
};

const char *notify_kind_str(enum notify_kind kind)
{
	return names[kind];
}

static int parse_kind(const char *name, enum notify_kind *ret)
{
	for (int i = 0; i < NOTIFY_TEST; i++)
		if (str_eq(name, names[i])) {
			*ret = (enum notify_kind)i;
			return 0;
		}
	return -EINVAL;
}

static void put_kinds(struct buf *out)
{
	for (int i = 0; i < NOTIFY_TEST; i++)
		buf_printf(out, "%s%s", i ? ", " : "", names[i]);
}

static int parse_format(const char *name, enum notify_format *ret)
{
	static const char *const formats[] = {
		[NOTIFY_JSON] = "json", [NOTIFY_NTFY] = "ntfy", [NOTIFY_SLACK] = "slack"};

	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (str_eq(name, formats[i])) {
			*ret = (enum notify_format)i;
			return 0;
		}
	return -EINVAL;
}

static bool is_url(const char *url)
{
	const char *host = str_starts(url, "https://")	? url + strlen("https://")
			   : str_starts(url, "http://") ? url + strlen("http://")
							: "";

	for (const char *c = url; *c; c++)
		if (*c <= ' ' || *c > '~')
			return false;
	return *host && *host != '/' && strlen(url) < NET_URL_MAX;
}

static int parse_on(char *const *on, uint32_t *ret, struct err *reterr)
{
	OWN(buf_done) struct buf known = BUF_INIT(ERR_MSG_MAX);
	enum notify_kind kind;

	*ret = 0;
	for (; *on; on++) {
		if (parse_kind(*on, &kind) < 0) {
			put_kinds(&known);
			return err_set(reterr, ERR_INVALID,
				       KEY_ON " has '%.64s', which is none of %s", *on,
				       buf_str(&known));
		}
		*ret |= 1u << kind;
	}
	return 0;
}

const char *notify_settings_parse(const char *command, const char *url, const char *format,
				  char *const *on, struct notify_settings *ret, struct err *reterr)
{
	ret->command = command;
	ret->url = url;
	if (*command && *command != '/') {
		err_set(reterr, ERR_INVALID,
			KEY_COMMAND " must be the absolute path of a program, not '%.64s'; a "
				    "script of two lines can hold its arguments",
			command);
		return KEY_COMMAND;
	}
	if (*url && !is_url(url)) {
		/* the address may be a secret */
		err_set(reterr, ERR_INVALID,
			KEY_URL " must be an address such as https://ntfy.sh/TOPIC, escaped and of "
				"at most %d bytes",
			NET_URL_MAX - 1);
		return KEY_URL;
	}
	if (parse_format(format, &ret->format) < 0) {
		err_set(reterr, ERR_INVALID, KEY_FORMAT " must be json, ntfy or slack, not '%.64s'",
			format);
		return KEY_FORMAT;
	}
	return parse_on(on, &ret->kinds, reterr) < 0 ? KEY_ON : NULL;
}
