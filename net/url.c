/* SPDX-License-Identifier: MIT */
/*
 * Splits an address into its origin with CURLU, compares origins, and joins a redirect with its
 * base.
 */
#include "net/url.h"

#include "base/own.h"
#include "base/str.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#define NO_ORIGIN "the address"

struct origin {
	char *scheme, *host, *zone, *port;
	bool has_port; /* True if the address itself names the port */
};

static void curlu_done(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void origin_done(struct origin *o)
{
	curl_free(o->scheme);
	curl_free(o->host);
	curl_free(o->zone);
	curl_free(o->port);
}

static char *part(CURLU *url, CURLUPart what, unsigned flags)
{
	char *text = NULL;

	return curl_url_get(url, what, &text, flags) == CURLUE_OK ? text : NULL;
}

/* Fill *ret. True if the handle has an http or https address with a host. */
static bool take_origin(CURLU *url, struct origin *ret)
{
	char *port = part(url, CURLUPART_PORT, 0);

	ret->has_port = port != NULL;
	curl_free(port);
	ret->scheme = part(url, CURLUPART_SCHEME, 0);
	ret->host = part(url, CURLUPART_HOST, 0);
	ret->zone = part(url, CURLUPART_ZONEID, 0);
	ret->port = part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	return ret->scheme && ret->host && ret->host[0] && ret->port &&
	       (strcasecmp(ret->scheme, "http") == 0 || strcasecmp(ret->scheme, "https") == 0);
}

static bool parse_origin(const char *text, struct origin *ret)
{
	OWN(curlu_done) CURLU *url = curl_url();

	return url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
	       take_origin(url, ret);
}

static bool equal(const struct origin *a, const struct origin *b)
{
	return strcasecmp(a->scheme, b->scheme) == 0 && strcasecmp(a->host, b->host) == 0 &&
	       str_eq(a->port, b->port) && str_eq(a->zone ? a->zone : "", b->zone ? b->zone : "");
}

/* True if the address has the part. */
static bool has(CURLU *url, CURLUPart what)
{
	char *text = part(url, what, 0);

	curl_free(text);
	return text != NULL;
}

static bool copy_host(const char *host, char ret[URL_HOST_MAX])
{
	size_t len = strlen(host);
	bool bracketed = len > 2 && host[0] == '[';

	if (len >= URL_HOST_MAX)
		return false;
	str_must_format(ret, URL_HOST_MAX, "%.*s", (int)(bracketed ? len - 2 : len),
			host + bracketed);
	return true;
}

bool url_split(const char *url, struct url_parts *ret)
{
	OWN(curlu_done) CURLU *handle = curl_url();
	OWN(origin_done) struct origin o = {0};
	bool own_port, fits;
	char *path;

	*ret = (struct url_parts){0};
	if (!handle || curl_url_set(handle, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    !take_origin(handle, &o) || o.zone)
		return false;
	ret->https = strcasecmp(o.scheme, "https") == 0;
	ret->has_user = has(handle, CURLUPART_USER) || has(handle, CURLUPART_PASSWORD);
	ret->has_query = has(handle, CURLUPART_QUERY) || has(handle, CURLUPART_FRAGMENT);
	own_port = !str_eq(o.port, ret->https ? "443" : "80");
	path = part(handle, CURLUPART_PATH, 0);
	fits = copy_host(o.host, ret->host) && path &&
	       str_copy(ret->path, sizeof(ret->path), path) &&
	       snprintf(ret->server, sizeof(ret->server), "%s%s%s", o.host, own_port ? ":" : "",
			own_port ? o.port : "") < (int)sizeof(ret->server);
	curl_free(path);
	return fits;
}

bool url_same_origin(const char *a, const char *b)
{
	OWN(origin_done) struct origin x = {0};
	OWN(origin_done) struct origin y = {0};

	return parse_origin(a, &x) && parse_origin(b, &y) && equal(&x, &y);
}

void url_origin(const char *url, char *ret, size_t size)
{
	OWN(origin_done) struct origin o = {0};

	if (!parse_origin(url, &o) ||
	    snprintf(ret, size, "%s://%s%s%s", o.scheme, o.host, o.has_port ? ":" : "",
		     o.has_port ? o.port : "") >= (int)size)
		str_must_copy(ret, size, NO_ORIGIN);
}

bool url_join(const char *base, const char *location, char *ret, size_t size)
{
	OWN(curlu_done) CURLU *url = curl_url();
	OWN(origin_done) struct origin o = {0};
	char *whole;
	bool fits;

	if (!url || !location[0] || curl_url_set(url, CURLUPART_URL, base, 0) != CURLUE_OK ||
	    curl_url_set(url, CURLUPART_URL, location, CURLU_URLENCODE) != CURLUE_OK ||
	    !take_origin(url, &o))
		return false;
	whole = part(url, CURLUPART_URL, 0);
	fits = whole && str_copy(ret, size, whole);
	curl_free(whole);
	return fits;
}
