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
#include <sys/stat.h>

static const char *const with_dir[] = {"daemon.data_dir=/data", NULL};
static const struct config_files none = {0};

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
	struct config_files files = {.file = place->file};
	struct config *cfg = NULL;
	struct err e = {0};

	if (text)
		assert_int_equal(
			file_write_atomic(AT_FDCWD, place->file, text, strlen(text), 0600, &e), 0);
	if (config_load(text ? &files : &none, overrides, &cfg, &e) < 0)
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
		assert_int_equal(config_load(&(struct config_files){.file = place->file}, with_dir,
					     &cfg, &e),
				 -ERR_INVALID);
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

	assert_int_equal(config_load(&(struct config_files){.file = "/nonexistent/x.conf"},
				     with_dir, &cfg, &e),
			 -ENOENT);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(config_load(&none, bad[i], &cfg, &e), -ERR_INVALID);
	setenv("TRAINYARD_HTTP_THREADS", "many", 1);
	assert_int_equal(config_load(&none, with_dir, &cfg, &e), -ERR_INVALID);
	assert_true(str_starts(e.msg, "TRAINYARD_HTTP_THREADS: http.threads: 'many'"));
	unsetenv("TRAINYARD_HTTP_THREADS");
	setenv("TRAINYARD_LEASE_TTL_DEFAULT", "8d", 1);
	assert_int_equal(config_load(&none, with_dir, &cfg, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "longer than lease.ttl_max"));
	unsetenv("TRAINYARD_LEASE_TTL_DEFAULT");
	assert_int_equal(file_write_atomic(AT_FDCWD, place->file, "a\0b", 3, 0600, &e), 0);
	assert_int_equal(
		config_load(&(struct config_files){.file = place->file}, with_dir, &cfg, &e),
		-ERR_INVALID);
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
		r = config_load(&(struct config_files){.file = place->file}, with_dir, &cfg, &e);
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
		r = config_load(&(struct config_files){.file = place->file}, with_dir, &cfg, &e);
		assert_int_equal(r, i < CONFIG_MODELS_MAX ? 0 : -ERR_INVALID);
	}
}

static void write_text(const char *dir, const char *name, const char *text)
{
	char path[200];
	struct err e = {0};

	assert_true(path_join(path, sizeof(path), dir, name));
	assert_int_equal(file_write_atomic(AT_FDCWD, path, text, strlen(text), 0600, &e), 0);
}

/* Packages first, then the file, then conf.d in the order of the names: a later one wins. */
static void test_folders(void **state)
{
	struct place *place = *state;
	char vendor[96], beside[96];
	struct config_files files = {.file = place->file, .vendor_dir = vendor};
	struct config *cfg = NULL;
	struct err e = {0};

	path_join(vendor, sizeof(vendor), place->dir, "vendor");
	path_join(beside, sizeof(beside), place->dir, "conf.d");
	write_text(place->dir, "t.conf", "[http]\nthreads = 3\n[models]\nb = /file/b\n");
	assert_int_equal(config_load(&files, with_dir, &cfg, &e), 0); /* neither folder exists */
	config_freep(&cfg);
	assert_int_equal(mkdir(vendor, 0700) | mkdir(beside, 0700), 0);
	write_text(vendor, "m.conf", "[http]\nthreads = 9\n[models]\na = /vendor/a\nb = /v/b\n");
	write_text(beside, "20.conf", "[lease]\nttl_max = 2d\n[log]\nlevel = debug\n");
	write_text(beside, "10.conf", "[lease]\nttl_max = 1d\n[local]\ncpu_slots = 5\n");
	write_text(beside, "30.conf.dpkg-old", "nonsense");
	write_text(beside, ".40.conf", "nonsense");
	assert_int_equal(config_load(&files, with_dir, &cfg, &e), 0);
	assert_int_equal(cfg->http_threads, 3);
	assert_int_equal(cfg->local_cpu_slots, 5);
	assert_int_equal(cfg->lease_ttl_max_us, 2 * 86400 * USEC_PER_SEC);
	assert_string_equal(cfg->log_level, "debug");
	assert_int_equal(cfg->models_n, 2);
	assert_string_equal(cfg->models[0].dir, "/vendor/a");
	assert_string_equal(cfg->models[1].dir, "/file/b");
	config_freep(&cfg);
	write_text(beside, "20.conf", "\n[lease]\nttl_maxx = 2d\n");
	assert_int_equal(config_load(&files, with_dir, &cfg, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "/conf.d/20.conf:3: there is no key 'lease.ttl_maxx'"));
}

static void test_folder_limit(void **state)
{
	struct place *place = *state;
	struct config_files files = {.vendor_dir = place->dir};
	struct config *cfg = NULL;
	struct err e = {0};
	char name[32];

	for (int i = 0; i < CONFIG_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "%d.conf", i);
		write_text(place->dir, name, "");
	}
	assert_int_equal(config_load(&files, with_dir, &cfg, &e), 0);
	config_freep(&cfg);
	write_text(place->dir, "more.conf", "");
	assert_int_equal(config_load(&files, with_dir, &cfg, &e), -ERR_INVALID);
	assert_non_null(strstr(e.msg, "at most 64 are read"));
}

static void test_home(void **state)
{
	setenv("HOME", "/home/me", 1);
	OWN(config_freep)
	struct config *cfg = load(
		state, "[local]\nbase_dir = ~\nroots = /a:~/b:/~/c\n[models]\nm = ~/m", with_dir);

	assert_string_equal(cfg->local_base_dir, "/home/me");
	assert_string_equal(cfg->local_roots[1], "/home/me/b");
	assert_string_equal(cfg->local_roots[2], "/~/c");
	assert_string_equal(cfg->models[0].dir, "/home/me/m");
}

static void note_change(void *userdata, const struct config_key *key, const char *was,
			const char *now)
{
	buf_printf(userdata, "%s %s>%s\n", key ? key->name : "models", was, now);
}

static void test_compare(void **state)
{
	static const char was_text[] = "[lease]\nttl_max = 60m\n[local]\nroots = /a:/b\n";
	OWN(config_freep) struct config *was = load(state, was_text, with_dir);
	OWN(config_freep)
	struct config *now =
		load(state,
		     "[lease]\nttl_max = 1h\n[money]\nday_max = 7\n[local]\nroots = /a\n[models]\n"
		     "a = /a\n",
		     with_dir);
	OWN(buf_done) struct buf said = BUF_INIT(4096);

	config_compare(was, now, note_change, &said);
	assert_string_equal(buf_str(&said), "roots /a:/b>/a\nday_max 100>7\nmodels >\n");
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

		buf_printf(&row, "| `%s.%s` | `%s` | %s | %s | %s |\n", key->section, key->name,
			   *key->fallback ? key->fallback : " ", range_text(key, range),
			   key->reloadable ? "reload" : "restart", key->help);
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
		cmocka_unit_test_setup_teardown(test_folders, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_folder_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_home, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_compare, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sample_is_true, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sample_is_valid, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_docs_have_every_key, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
