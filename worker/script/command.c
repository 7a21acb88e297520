/* SPDX-License-Identifier: MIT */
/*
 * Finds the interpreter, makes work/venv for requirements, and builds the script's arguments and
 * environment.
 */
#include "worker/script/script.h"

#include "base/fileio.h"
#include "base/own.h"
#include "base/str.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DEFAULT_PYTHON "python3"
#define DEFAULT_PATH   "/usr/local/bin:/usr/bin:/bin"
#define COMMAND_MAX    (1 << 20)

extern char **environ;

/* Makes work/venv (argv[1]) see the packages of the interpreter that runs this code. That
 * interpreter may be in a virtual environment itself, which --system-site-packages would ignore. */
static const char venv_code[] =
	"import os, sys, sysconfig, venv\n"
	"venv.create(sys.argv[1], system_site_packages=True, symlinks=True)\n"
	"site = sysconfig.get_path('purelib', vars={'base': sys.argv[1]})\n"
	"with open(os.path.join(site, 'trainyard.pth'), 'w') as f:\n"
	"    f.write('\\n'.join(p for p in sys.path if p.endswith('-packages')))\n";

static const char *env_get(const struct script *s, const char *name, const char *fallback)
{
	return json_get_str(s->env, name, fallback);
}

static int env_put(struct script *s, const char *name, const char *value)
{
	return json_object_set_new_nocheck(s->env, name, json_string_nocheck(value));
}

/* True for variables that only transfers need (exec.inherit), such as keys: the script does not get
 * them. */
static bool is_for_transfers(const struct script *s, const char *name)
{
	const json_t *exec = json_object_get(s->w->message, "exec");
	const json_t *inherit = json_object_get(exec, "inherit");

	for (size_t i = 0; i < json_array_size(inherit); i++)
		if (str_eq(name, json_string_value(json_array_get(inherit, i))))
			return !json_object_get(json_object_get(exec, "env"), name);
	return false;
}

/* Begin with our environment, then add the spec's. The SM_* variables come last, as in the
 * toolkit. */
static int start_env(struct script *s, struct err *reterr)
{
	const json_t *more = json_object_get(s->w->spec, "environment");
	json_t *value;
	const char *name;
	char cpus[16];

	s->env = json_object();
	for (char **e = environ; *e; e++) {
		const char *eq = strchr(*e, '=');
		char key[256];

		if (!eq || (size_t)(eq - *e) >= sizeof(key))
			continue;
		str_must_format(key, sizeof(key), "%.*s", (int)(eq - *e), *e);
		if (!is_for_transfers(s, key))
			env_put(s, key, eq + 1);
	}
	snprintf(cpus, sizeof(cpus), "%d", s->w->cpus);
	env_put(s, "OMP_NUM_THREADS", cpus);
	env_put(s, "PYTHONUNBUFFERED", "1");
	json_object_foreach((json_t *)more, name, value) {
		if (!json_is_string(value) || !*name || strchr(name, '='))
			return err_at(reterr, ERR_INVALID, "/environment",
				      "environment: '%s' must be a name with a text", name);
		json_object_set(s->env, name, value);
	}
	return 0;
}

static bool runnable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Find the interpreter; s->python gets its absolute path. */
static int find_python(struct script *s, struct err *reterr)
{
	const json_t *local = json_object_get(s->w->spec, "local");
	const char *python = json_get_str(local, "python", DEFAULT_PYTHON);
	const char *p = env_get(s, "PATH", DEFAULT_PATH);

	if (strchr(python, '/')) {
		if (*python == '/' && str_copy(s->python, sizeof(s->python), python) &&
		    runnable(python))
			return 0;
		p = "";
	}
	for (size_t n; *p; p += n + (p[n] == ':')) {
		n = strcspn(p, ":");
		if (snprintf(s->python, sizeof(s->python), "%.*s/%s", (int)n, p, python) <
			    (int)sizeof(s->python) &&
		    *p == '/' && runnable(s->python))
			return 0;
	}
	s->w->failure_code = "exec_failed";
	return err_at(
		reterr, ERR_NOT_FOUND, "/local/python",
		"the Python interpreter '%s' does not exist; set local.python to an absolute path",
		python);
}

static int run_step(struct script *s, json_t *argv, const char *what, struct err *reterr)
{
	OWN(json_decrefp) json_t *owned = argv;
	char code[PATH_MAX];
	int status, r;

	if (!path_join(code, sizeof(code), s->contract.base, "code"))
		return err_errno(reterr, ENAMETOOLONG, "%s", what);
	r = script_run(s, owned, code, NULL, &status, reterr);
	if (r < 0)
		return err_ctx(reterr, r, "%s", what);
	if (*s->w->stop)
		return err_set(reterr, ERR_CANCELLED, "the job was stopped during: %s", what);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	s->w->failure_code = "script_error";
	return err_set(reterr, ERR_INVALID, "%s failed with exit code %d; see the log", what,
		       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Make work/venv on top of the interpreter's packages, and install the requirements. */
static int make_venv(struct script *s, struct err *reterr)
{
	char venv[PATH_MAX], python[PATH_MAX];
	json_t *argv;
	int r;

	if (!path_join(venv, sizeof(venv), s->w->work, "venv") ||
	    !path_join(python, sizeof(python), venv, "bin/python"))
		return err_errno(reterr, ENAMETOOLONG, "make a virtual environment");
	argv = json_pack("[ssss]", s->python, "-c", venv_code, venv);
	r = run_step(s, argv, "make a virtual environment", reterr);
	if (r < 0)
		return r;
	str_assign(s->python, python);
	argv = json_pack("[ssss]", python, "-m", "pip", "install");
	if (s->type == ENTRY_PACKAGE)
		json_array_append_new(argv, json_string("."));
	if (path_exists(s->w->work_dirfd, "code/requirements.txt")) {
		json_array_append_new(argv, json_string("-r"));
		json_array_append_new(argv, json_string("requirements.txt"));
	}
	return run_step(s, argv, "pip install", reterr);
}

static int install(struct script *s, struct err *reterr)
{
	const json_t *local = json_object_get(s->w->spec, "local");
	const char *what =
		entry_installs(s->type, path_exists(s->w->work_dirfd, "code/requirements.txt"));

	if (!what)
		return 0;
	if (str_eq(json_get_str(local, "requirements", "refuse"), "venv"))
		return make_venv(s, reterr);
	return err_at(reterr, ERR_INVALID, "/local/requirements",
		      "source_dir has a %s, which is not installed by default; set "
		      "local.requirements to \"venv\", or remove the file",
		      what);
}

/* Quote one argument like shlex.quote. */
static void shell_quote(struct buf *out, const char *arg)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "@%_+=:,./-";

	if (*arg && strspn(arg, safe) == strlen(arg)) {
		buf_puts(out, arg);
		return;
	}
	buf_puts(out, "'");
	for (; *arg; arg++)
		buf_printf(out, *arg == '\'' ? "'\"'\"'" : "%c", *arg);
	buf_puts(out, "'");
}

static json_t *shell_argv(const struct script *s, const json_t *args)
{
	OWN(buf_done) struct buf line = BUF_INIT(COMMAND_MAX);

	buf_puts(&line, "./");
	shell_quote(&line, s->contract.entry_point);
	for (size_t i = 0; i < json_array_size(args); i++) {
		buf_puts(&line, " ");
		shell_quote(&line, json_string_value(json_array_get(args, i)));
	}
	return buf_ok(&line) ? json_pack("[ssss]", "/bin/sh", "-c", buf_str(&line), buf_str(&line))
			     : NULL;
}

static json_t *python_argv(const struct script *s, const json_t *args)
{
	const char *name = s->contract.entry_point;
	json_t *argv = json_pack("[s]", s->python);

	if (s->type == ENTRY_PACKAGE) {
		size_t n = strlen(name) - (str_ends(name, ".py") ? 3 : 0);

		json_array_append_new(argv, json_string("-m"));
		json_array_append_new(argv, json_stringn(name, n));
	} else {
		json_array_append_new(argv, json_string(name));
	}
	json_array_extend(argv, (json_t *)args);
	return argv;
}

/* Add the variables that Trainyard presets. A WANDB_* variable of the spec stays. */
static int put_presets(struct script *s)
{
	const struct contract *c = &s->contract;
	char path[PATH_MAX];

	if (!path_join(path, sizeof(path), c->base, METRICS_FILE_PATH))
		return -1;
	env_put(s, "TRAINYARD_METRICS", path);
	if (!path_join(path, sizeof(path), c->base, "checkpoints"))
		return -1;
	env_put(s, "TRAINYARD_CHECKPOINT_DIR", path);
	/* Without "allow", the next attempt of the job would replace the run. */
	if (!json_object_get(s->env, "WANDB_RUN_ID") && !json_object_get(s->env, "WANDB_RESUME")) {
		env_put(s, "WANDB_RUN_ID", c->job);
		env_put(s, "WANDB_RESUME", "allow");
	}
	return 0;
}

/* Activate the interpreter: put its directory first in PATH, and the code first in PYTHONPATH. */
static int finish_env(struct script *s, struct err *reterr)
{
	OWN(json_decrefp) json_t *sm = contract_env(&s->contract);
	OWN(buf_done) struct buf path = BUF_INIT(COMMAND_MAX);
	OWN(buf_done) struct buf modules = BUF_INIT(COMMAND_MAX);
	const char *old = env_get(s, "PYTHONPATH", "");

	buf_printf(&path, "%.*s:%s", (int)(strrchr(s->python, '/') - s->python), s->python,
		   env_get(s, "PATH", DEFAULT_PATH));
	buf_printf(&modules, "%s/code%s%s", s->contract.base, *old ? ":" : "", old);
	if (!sm || put_presets(s) < 0 || !buf_ok(&path) || !buf_ok(&modules))
		return err_set(reterr, ERR_LIMIT, "the environment of the script is too large");
	env_put(s, "PATH", buf_str(&path));
	env_put(s, "PYTHONPATH", buf_str(&modules));
	if (!s->optml)
		env_put(s, "SAGEMAKER_BASE_DIR", s->contract.base);
	json_object_update(s->env, sm);
	return 0;
}

int command_prepare(struct script *s, struct err *reterr)
{
	OWN(json_decrefp) json_t *args = contract_args(&s->contract);
	char path[PATH_MAX];
	int r;

	str_must_format(path, sizeof(path), "code/%s", s->contract.entry_point);
	if (!path_exists(s->w->work_dirfd, path))
		return err_at(reterr, ENOENT, "/entry_point", "source_dir has no %s",
			      s->contract.entry_point);
	s->type = entry_type_of(s->contract.entry_point,
				path_exists(s->w->work_dirfd, "code/setup.py"));
	if (s->type == ENTRY_COMMAND && fchmodat(s->w->work_dirfd, path, 0777, 0) < 0)
		return err_errno(reterr, errno, "make %s executable", path);
	r = start_env(s, reterr);
	if (r >= 0)
		r = find_python(s, reterr);
	if (r >= 0)
		r = install(s, reterr);
	if (r >= 0)
		r = finish_env(s, reterr);
	if (r < 0)
		return r;
	if (args)
		s->argv = s->type == ENTRY_COMMAND ? shell_argv(s, args) : python_argv(s, args);
	if (!s->argv)
		return err_set(reterr, ERR_LIMIT, "the command line of the script is too long");
	return 0;
}
