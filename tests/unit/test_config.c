/* SPDX-License-Identifier: MIT */
/* config/: precedence, types, errors with file and line, long lines, and that the sample and the
 * docs say what keys.def says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fileio.h"
#include "base/money.h"
#include "base/own.h"
#include "base/str.h"
#include "base/tree.h"
#include "config/config.h"
#include "tests/unit/scratch.h"

#include <ctype.h>
#include <string.h>

static const char *const with_dir[] = {"daemon.data_dir=/data", NULL};

struct place {
	char dir[64], file[96];
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	scratch_make(place->dir, sizeof(place->dir), "config");
	clearenv();
	path_join(place->file, sizeof(place->file), place->dir, "t.conf");
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	scratch_remove(place->dir);
	free(place);
	return 0;
}

static struct config *load(void **state, const char *text, const char *const *overrides)
{
	struct place *place = *state;
	struct config *cfg = NULL;
	struct err e = {0};

	if (text)
		assert_int_equal(
			file_write_atomic(AT_FDCWD, place->file, text, strlen(text), 0600, &e), 0);
	if (config_load(text ? place->file : NULL, overrides, &cfg, &e) < 0)
		fail_msg("%s", e.msg);
	return cfg;
}

static void test_defaults(void **state)
{
	OWN(config_freep) struct config *cfg = load(state, NULL, with_dir);

	assert_string_equal(cfg->daemon_data_dir, "/data");
	assert_string_equal(cfg->http_listen, "127.0.0.1:8470");
	assert_string_equal(cfg->http_socket, ""); /* no RUNTIME_DIRECTORY */
	assert_int_equal(cfg->http_threads, 2);
	assert_int_equal(cfg->http_body_max_bytes, 8 << 20);
	assert_string_equal(cfg->log_level, "info");
	assert_int_equal(cfg->local_cpu_slots, 1);
	assert_string_equal(cfg->local_roots[0], "/");
	assert_null(cfg->local_roots[1]);
	assert_int_equal(cfg->local_log_max_bytes, 64 << 20);
	assert_int_equal(cfg->lease_ttl_default_us, 3600 * USEC_PER_SEC);
	assert_int_equal(cfg->lease_ttl_max_us, 7 * 86400 * USEC_PER_SEC);
	assert_int_equal(cfg->lease_idle_default_us, 0);
	assert_int_equal(cfg->job_max_runtime_default_us, 0);
	assert_int_equal(cfg->money_job_max_micro_usd, 50000000);
	assert_int_equal(cfg->money_day_max_micro_usd, 100000000);
	assert_int_equal(cfg->money_month_max_micro_usd, 500000000);
	assert_int_equal(cfg->models_n, 0);
}

static void test_systemd_directories(void **state)
{
	setenv("STATE_DIRECTORY", "/var/lib/trainyard:/var/lib/other", 1);
	setenv("RUNTIME_DIRECTORY", "/run/trainyard", 1);
	OWN(config_freep) struct config *cfg = load(state, NULL, NULL);

	assert_string_equal(cfg->daemon_data_dir, "/var/lib/trainyard");
	assert_string_equal(cfg->http_socket, "/run/trainyard/trainyard.sock");
}

static void test_precedence(void **state)
{
	static const char *const overrides[] = {"daemon.data_dir=/d", "http.threads=5",
						"money.job_max=none", "money.day_max=0.5", NULL};
	static const char text[] = "[http]\nthreads = 3\nconnections_max = 33\nlisten=[::1]:0\n"
				   "[models]\nminilm = /from/file\nother=/o\n";

	setenv("TRAINYARD_HTTP_THREADS", "4", 1);
	setenv("TRAINYARD_HTTP_CONNECTIONS_MAX", "44", 1);
	setenv("TRAINYARD_MODELS_MINILM", "/from/env", 1);
	setenv("TRAINYARD_EXECUTION", "x1", 1); /* not ours */
	OWN(config_freep) struct config *cfg = load(state, text, overrides);

	assert_int_equal(cfg->http_threads, 5);
	assert_int_equal(cfg->money_job_max_micro_usd, MONEY_NONE);
	assert_int_equal(cfg->money_day_max_micro_usd, 500000);
	assert_int_equal(cfg->http_connections_max, 44);
	assert_string_equal(cfg->http_listen, "[::1]:0");
	assert_int_equal(cfg->models_n, 2);
	assert_string_equal(cfg->models[0].name, "minilm");
	assert_string_equal(cfg->models[0].dir, "/from/env");
	assert_string_equal(cfg->models[1].dir, "/o");
}

static void test_file_syntax(void **state)
{
	static const char text[] =
		"\xEF\xBB\xBF# a comment\n; another\n\n"
		"  [daemon]\r\n   data_dir = /with blank/in it  ; said here\r\n"
		"[local]\n\troots=/a:/b::/c/d\n   python   =   /py;thon\nbase_dir =\n"
		"log_max_bytes = 1GiB\n[lease]\nidle_default = 15m\nttl_default = 90s";
	OWN(config_freep) struct config *cfg = load(state, text, NULL);

	assert_string_equal(cfg->daemon_data_dir, "/with blank/in it");
	assert_string_equal(cfg->local_roots[0], "/a");
	assert_string_equal(cfg->local_roots[1], "/b");
	assert_string_equal(cfg->local_roots[2], "/c/d");
	assert_null(cfg->local_roots[3]);
	assert_string_equal(cfg->local_python, "/py;thon");
	assert_string_equal(cfg->local_base_dir, "");
	assert_int_equal(cfg->local_log_max_bytes, INT64_C(1) << 30);
	assert_int_equal(cfg->lease_idle_default_us, 900 * USEC_PER_SEC);
	assert_int_equal(cfg->lease_ttl_default_us, 90 * USEC_PER_SEC);
}

/* inih alone would cut these at 200 bytes. */
static void test_long_lines(void **state)
{
	for (size_t n = 150; n < 1100; n += 7) {
		char value[1200], text[1400];

		for (size_t i = 0; i < n; i++) /* now and then what inih could stumble over */
			value[i] = "/ab c;d#e[f]=g:h"[(i * 7 + n) % 16];
		value[0] = value[n - 1] = 'x';
		value[n] = '\0';
		for (char *c = value; (c = strstr(c, " ;"));) /* that would be a comment */
			*c = 'z';
		snprintf(text, sizeof(text),
			 "[daemon]\ndata_dir = /d\n[local]\nbase_dir = %s\n"
			 "python = /p\n",
			 value);
		OWN(config_freep) struct config *cfg = load(state, text, NULL);

		assert_string_equal(cfg->local_base_dir, value);
		assert_string_equal(cfg->local_python, "/p");
	}
}

static void test_errors(void **state)
{
	static const struct {
		const char *text, *at, *word;
	} cases[] = {
		{"[http]\nthreds = 3\n", "t.conf:2: ", "did you mean 'http.threads'?"},
		{"[daemon]\nlisten = 127.0.0.1:1\n", "t.conf:2: ", "did you mean 'http.listen'?"},
		{"\n\n[zzz]\nqqq = 3\n", "t.conf:4: ", "there is no key 'zzz.qqq'"},
		{"threads = 3\n", "t.conf:1: ", "before any [section]"},
		{"[http]\nthreads = three\n", "t.conf:2: ", "http.threads: 'three' is invalid"},
		{"[http]\nthreads = 0\n", "t.conf:2: ", "out of range; use 1 to 32"},
		{"[http]\nthreads = 33\n", "t.conf:2: ", "out of range"},
		{"[http]\nthreads =\n", "t.conf:2: ", "write a whole number"},
		{"[http]\nlisten = nowhere\n", "t.conf:2: ", "numeric address and a port"},
		{"[http]\nlisten = 1.2.3.4:65536\n", "t.conf:2: ", "numeric address"},
		{"[http]\nlisten = [::1:80\n", "t.conf:2: ", "numeric address"},
		{"[http]\nbody_max_bytes = 1KB\n", "t.conf:2: ", "use 1.0 KiB to 64.0 MiB"},
		{"[http]\nbody_max_bytes = much\n", "t.conf:2: ", "such as 64MiB"},
		{"[lease]\nttl_max = soon\n", "t.conf:2: ", "90s, 15m, 1h or 7d"},
		{"[lease]\nttl_max = none\n", "t.conf:2: ", "out of range"},
		{"[money]\njob_max = $5\n", "t.conf:2: ", "write US dollars such as 50"},
		{"[money]\nday_max = -1\n", "money.day_max", "write US dollars"},
		{"[money]\nday_max =\n", "money.day_max", "write US dollars"},
		{"[money]\nmonth_max = 1.0000001\n", "money.month_max", "write US dollars"},
		{"[money]\nmonth_max = 1000000001\n", "money.month_max", "out of range"},
		{"[lease]\nttl_max = 367d\n", "t.conf:2: ", "use 1s to 366d"},
		{"[log]\nlevel = loud\n", "t.conf:2: ", "error, warning, info or debug"},
		{"[local]\nroots = :\n", "t.conf:2: ", "at least one"},
		{"[http]\nthreads = 2\n# x\nthreads = 2\n", "t.conf:4: ", "set twice"},
		{"[models]\na = /x\na = /y\n", "t.conf:3: ", "models.a is set twice"},
		{"[models]\nbad name = /x\n", "t.conf:2: ", "the name is invalid"},
		{"[models]\na =\n", "t.conf:2: ", "directory"},
		{"[http\nthreads = 2\n", "t.conf:1: ", "no ']'"},
		{"[http]\nthreads\n", "t.conf:2: ", "neither [section] nor key = value"},
		{"[http]\n= 3\n", "t.conf:2: ", "key"},
		{"[local]\nbase_dir = \xff\xfe\n", "t.conf:2: ", "not UTF-8"},
	};
	struct place *place = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct config *cfg = NULL;
		struct err e = {0};

		assert_int_equal(file_write_atomic(AT_FDCWD, place->file, cases[i].text,
						   strlen(cases[i].text), 0600, &e),
				 0);
		assert_int_equal(config_load(place->file, with_dir, &cfg, &e), -ERR_INVALID);
		assert_null(cfg);
		if (!strstr(e.msg, cases[i].at) || !strstr(e.msg, cases[i].word))
			fail_msg("%s: '%s' lacks '%s' or '%s'", cases[i].text, e.msg, cases[i].at,
				 cases[i].word);
	}
}

static void test_other_errors(void **state)
{
	static const char *const bad[][2] = {
		{"http.threads", NULL}, {"threads=3", NULL}, {"http.nope=1", NULL}};
	struct place *place = *state;
	struct config *cfg = NULL;
	struct err e = {0};

	assert_int_equal(config_load("/nonexistent/x.conf", with_dir, &cfg, &e), -ENOENT);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(config_load(NULL, bad[i], &cfg, &e), -ERR_INVALID);
	setenv("TRAINYARD_HTTP_THREADS", "many", 1);
	assert_int_equal(config_load(NULL, with_dir, &cfg, &e), -ERR_INVALID);
	assert_true(str_starts(e.msg, "TRAINYARD_HTTP_THREADS: http.threads: 'many'"));
	unsetenv("TRAINYARD_HTTP_THREADS");
	setenv("TRAINYARD_LEASE_TTL_DEFAULT", "8d", 1);
	assert_int_equal(config_load(NULL, with_dir, &cfg, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "longer than lease.ttl_max"));
	unsetenv("TRAINYARD_LEASE_TTL_DEFAULT");
	assert_int_equal(file_write_atomic(AT_FDCWD, place->file, "a\0b", 3, 0600, &e), 0);
	assert_int_equal(config_load(place->file, with_dir, &cfg, &e), -ERR_INVALID);
	assert_null(cfg);
}

static void test_value_limit(void **state)
{
	static char text[CONFIG_VALUE_MAX + 100];
	struct place *place = *state;
	struct err e = {0};

	for (size_t n = CONFIG_VALUE_MAX; n <= CONFIG_VALUE_MAX + 1; n++) {
		OWN(config_freep) struct config *cfg = NULL;
		int r, at = snprintf(text, sizeof(text), "[local]\nbase_dir = ");

		memset(text + at, 'a', n);
		text[at + (int)n] = '\0';
		assert_int_equal(
			file_write_atomic(AT_FDCWD, place->file, text, strlen(text), 0600, &e), 0);
		r = config_load(place->file, with_dir, &cfg, &e);
		assert_int_equal(r, n == CONFIG_VALUE_MAX ? 0 : -ERR_INVALID);
		if (r < 0)
			assert_non_null(strstr(e.msg, "t.conf:2: the value is too long"));
		else
			assert_int_equal(strlen(cfg->local_base_dir), n);
	}
}

static void test_models_limit(void **state)
{
	OWN(buf_done) struct buf text = BUF_INIT(1 << 20);
	struct place *place = *state;
	struct err e = {0};

	buf_puts(&text, "[models]\n");
	for (int i = 0; i <= CONFIG_MODELS_MAX; i++) {
		OWN(config_freep) struct config *cfg = NULL;
		int r;

		buf_printf(&text, "m%d = /m/%d\n", i, i);
		if (i < CONFIG_MODELS_MAX - 1)
			continue;
		assert_int_equal(
			file_write_atomic(AT_FDCWD, place->file, text.data, text.len, 0600, &e), 0);
		r = config_load(place->file, with_dir, &cfg, &e);
		assert_int_equal(r, i < CONFIG_MODELS_MAX ? 0 : -ERR_INVALID);
	}
}

/* Written anew by `trainyardd --help-config > config/trainyard.conf.sample`. */
static void test_sample_is_true(void **state)
{
	OWN(buf_done) struct buf sample = BUF_INIT(1 << 20), printed = BUF_INIT(1 << 20);
	struct err e = {0};

	config_print(&printed);
	if (file_read(AT_FDCWD, SOURCE_ROOT "/config/trainyard.conf.sample", &sample, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(buf_str(&sample), buf_str(&printed));
}

/* With its '#' taken away, every line of the sample is accepted. */
static void test_sample_is_valid(void **state)
{
	OWN(buf_done) struct buf printed = BUF_INIT(1 << 20);
	struct config *cfg;

	config_print(&printed);
	for (char *c = printed.data; (c = strstr(c, "\n#")); c++)
		if (islower((unsigned char)c[2]))
			c[1] = ' ';
	cfg = load(state, printed.data, with_dir);
	assert_string_equal(cfg->local_python, "/usr/bin/python3");
	assert_int_equal(cfg->models_n, 1);
	config_free(cfg);
}

/* "1 to 32", "1.0 KiB to 64.0 MiB", "1s to 366d" or "". */
static const char *range_text(const struct config_key *key, char buf[80])
{
	char low[32], high[32];

	switch (key->type) {
	case CONFIG_INT:
		snprintf(buf, 80, "%lld to %lld", (long long)key->min, (long long)key->max);
		return buf;
	case CONFIG_MONEY:
		snprintf(buf, 80, "%lld to %lld, or none", (long long)key->min,
			 (long long)key->max);
		return buf;
	case CONFIG_BYTES:
		str_bytes(low, sizeof(low), key->min);
		str_bytes(high, sizeof(high), key->max);
		break;
	case CONFIG_DURATION:
		duration_format(low, key->min * USEC_PER_SEC);
		duration_format(high, key->max * USEC_PER_SEC);
		break;
	case CONFIG_STRING:
	case CONFIG_PATH:
	case CONFIG_ADDRESS:
	case CONFIG_LEVEL:
	case CONFIG_LIST:
		return "";
	}
	snprintf(buf, 80, "%s to %s",
		 key->min		     ? low
		 : key->type == CONFIG_BYTES ? "0"
					     : "none",
		 high);
	return buf;
}

static void test_docs_have_every_key(void **state)
{
	OWN(buf_done) struct buf docs = BUF_INIT(1 << 20);
	struct err e = {0};

	if (file_read(AT_FDCWD, SOURCE_ROOT "/docs/configuration.md", &docs, &e) < 0)
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < config_keys_n; i++) {
		const struct config_key *key = &config_keys[i];
		OWN(buf_done) struct buf row = BUF_INIT(4096);
		char range[80];

		buf_printf(&row, "| `%s.%s` | `%s` | %s | %s |\n", key->section, key->name,
			   *key->fallback ? key->fallback : " ", range_text(key, range), key->help);
		if (!strstr(buf_str(&docs), buf_str(&row)))
			fail_msg("docs/configuration.md lacks: %s", buf_str(&row));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_systemd_directories, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_precedence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_file_syntax, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_errors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_value_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_models_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sample_is_true, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sample_is_valid, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_docs_have_every_key, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
