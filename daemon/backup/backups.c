/* SPDX-License-Identifier: MIT */
/* The one running backup, its stop, and the schedule, which goes by the newest backup's name. */
#include "daemon/backup/backups.h"

#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "base/thread.h"
#include "daemon/backup/folder.h"
#include "daemon/core.h"
#include "storage/backup.h"

#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define STACK_BYTES  (512 << 10)
#define INTERRUPT_US (10 * USEC_PER_MSEC)

struct backups {
	const struct settings *set;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	/* guarded by lock */
	bool busy, stop;
	struct store_reader *reader; /* of the running backup; NULL: it has none yet */
	struct err failure;	     /* of the last one; "": it succeeded, or there was none */
	_Atomic int64_t newest_us;   /* time in the newest backup's name; 0: there is none */
	_Atomic int64_t retry_us;    /* not before this, clock_mono_us */
};

static int64_t newest(const struct settings *set)
{
	OWN(json_decrefp) json_t *all = NULL;
	char folder[PATH_MAX];
	int64_t us = 0;

	if (backup_folder(set, folder, sizeof(folder), NULL) < 0 ||
	    backup_list(folder, &all, NULL) < 0 || !json_array_size(all) ||
	    clock_parse(json_get_str(json_array_get(all, 0), "made_at", ""), &us) < 0)
		return 0;
	return us;
}

int backups_open(struct manager *mgr, struct err *reterr)
{
	struct backups *b = calloc(1, sizeof(*b));

	if (!b)
		return err_errno(reterr, ENOMEM, "open the backups");
	b->set = mgr->settings;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->idle, NULL);
	if (b->set->backup_every_us)
		b->newest_us = newest(b->set);
	mgr->backups = b;
	return 0;
}

/* ---- one backup ---- */

static int enter(struct backups *b, struct err *reterr)
{
	int r = 0;

	pthread_mutex_lock(&b->lock);
	if (b->stop)
		r = err_set(reterr, ERR_UNAVAILABLE, "the daemon is stopping");
	else if (b->busy)
		r = err_set(reterr, ERR_LIMIT, "another backup is running; try again later");
	else
		b->busy = true;
	pthread_mutex_unlock(&b->lock);
	return r;
}

static void leave(struct backups *b, int r, const struct err *err)
{
	struct store_reader *reader;

	pthread_mutex_lock(&b->lock);
	reader = TAKE(b->reader);
	b->busy = false;
	b->failure = r < 0 ? *err : (struct err){0};
	pthread_cond_broadcast(&b->idle);
	pthread_mutex_unlock(&b->lock);
	store_reader_close(reader);
	if (r >= 0)
		return;
	b->retry_us = clock_mono_us() + BACKUP_RETRY_US;
	if (r != -ERR_CANCELLED)
		log_event(LOG_LEVEL_ERROR, "backup_failed", "msg=\"%s\"", err->msg);
}

static int open_reader(struct backups *b, struct err *reterr)
{
	struct store_reader *reader = NULL;
	int r = store_reader_open(b->set->data_dir, &reader, reterr);

	pthread_mutex_lock(&b->lock);
	b->reader = reader;
	pthread_mutex_unlock(&b->lock);
	return r;
}

/* {"path", "name", "made_at", "bytes", "removed"} */
static int make(struct backups *b, json_t **ret, struct err *reterr)
{
	OWN(json_decrefp) json_t *removed = NULL;
	char folder[PATH_MAX], name[BACKUP_NAME_MAX], path[PATH_MAX + BACKUP_NAME_MAX];
	char at[CLOCK_TEXT_LEN];
	int64_t now = clock_now_us();
	struct stat st;
	int r = backup_folder(b->set, folder, sizeof(folder), reterr);

	if (r >= 0)
		r = open_reader(b, reterr);
	backup_name(now, name);
	if (r >= 0)
		r = store_backup(b->reader, folder, name, reterr);
	if (r < 0)
		return r;
	b->newest_us = now;
	r = backup_remove_old(folder, name, b->set->backups_kept, &removed, reterr);
	if (r < 0)
		return r;
	str_must_format(path, sizeof(path), "%s/%s", folder, name);
	if (stat(path, &st) < 0)
		return err_errno(reterr, errno, "read %s", path);
	*ret = json_pack("{ss ss sI ss sO}", "name", name, "made_at", clock_format(at, now),
			 "bytes", (json_int_t)st.st_size, "path", path, "removed", removed);
	log_event(LOG_LEVEL_INFO, "backup", "path=%s bytes=%" PRId64 " removed=%zu", path,
		  json_get_int(*ret, "bytes", 0), json_array_size(removed));
	return 0;
}

int manager_backup(struct manager *mgr, json_t **ret, struct err *reterr)
{
	struct backups *b = mgr->backups;
	int r = enter(b, reterr);

	if (r < 0)
		return r;
	r = make(b, ret, reterr);
	leave(b, r, reterr);
	return r == -ERR_CANCELLED ? err_set(reterr, ERR_UNAVAILABLE, "the daemon is stopping") : r;
}

int manager_backups(struct manager *mgr, json_t **ret, struct err *reterr)
{
	struct backups *b = mgr->backups;
	char folder[PATH_MAX], every[32];
	json_t *items = NULL;
	int r = backup_folder(b->set, folder, sizeof(folder), reterr);

	if (r >= 0)
		r = backup_list(folder, &items, reterr);
	if (r < 0)
		return r;
	*ret = json_pack("{so ss so si so}", "items", items, "folder", folder, "every",
			 b->set->backup_every_us
				 ? json_string(duration_format(every, b->set->backup_every_us))
				 : json_null(),
			 "keep", b->set->backups_kept, "failure", json_null());
	pthread_mutex_lock(&b->lock);
	if (b->failure.msg[0])
		json_object_set_new(*ret, "failure", json_string(b->failure.msg));
	pthread_mutex_unlock(&b->lock);
	return *ret ? 0 : err_errno(reterr, ENOMEM, "list the backups");
}

/* ---- the schedule ---- */

static void *scheduled(void *arg)
{
	struct backups *b = arg;
	OWN(json_decrefp) json_t *made = NULL;
	struct err err = {0};
	int r;

	pthread_setname_np(pthread_self(), "backup");
	r = make(b, &made, &err);
	leave(b, r, &err);
	return NULL;
}

/* The clock may have been set back behind the newest backup: then one is due, too. */
static bool is_due(const struct backups *b)
{
	int64_t since = clock_now_us() - b->newest_us;

	return b->set->backup_every_us && clock_mono_us() >= b->retry_us &&
	       (since >= b->set->backup_every_us || since < 0);
}

void backups_tick(struct manager *mgr)
{
	struct backups *b = mgr->backups;
	struct err err = {0};
	int r;

	if (!is_due(b) || enter(b, &err) < 0)
		return;
	r = thread_start(STACK_BYTES, scheduled, b, NULL);
	if (r < 0)
		leave(b, err_errno(&err, -r, "start the backup"), &err);
}

void backups_stop(struct manager *mgr)
{
	struct backups *b = mgr->backups;

	if (!b)
		return;
	pthread_mutex_lock(&b->lock);
	b->stop = true;
	while (b->busy) { /* an interrupt before a statement runs has no effect */
		if (b->reader)
			store_reader_interrupt(b->reader);
		cond_wait_us(&b->idle, &b->lock, INTERRUPT_US);
	}
	pthread_mutex_unlock(&b->lock);
}

void backups_free(struct backups *b)
{
	if (!b)
		return;
	pthread_cond_destroy(&b->idle);
	pthread_mutex_destroy(&b->lock);
	free(b);
}
