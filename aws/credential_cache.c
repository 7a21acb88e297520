/* SPDX-License-Identifier: MIT */
/* Keys that stay fresh: one thread resolves the chain before they expire. */
#include "aws/config.h"
#include "aws/credentials.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/str.h"
#include "base/thread.h"

#include <pthread.h>
#include <string.h>

#define REFUSED_US   (5 * USEC_PER_SEC)	 /* least time between two resolves for a refusal */
#define MIN_VALID_US (10 * USEC_PER_SEC) /* keys that expire sooner are not handed out */
#define STACK_BYTES  (256 << 10)
#define SOURCE_MAX   512

struct aws_credential_cache {
	const struct aws_config *config;
	struct net *net;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* signalled for the thread and for waiters */
	bool stopping, asked, resolved;
	struct aws_keys keys;
	int result; /* of the last resolve, if there are no older keys */
	struct err err;
	int64_t next_us;      /* wall clock, as the expiry: time of the next resolve */
	int64_t next_mono_us; /* the same after a failure; USEC_NEVER: no failure */
	int64_t believed_us;  /* of the last refusal, monotonic; 0: never */
	int64_t again_us;
	char logged[ERR_MSG_MAX]; /* error that was logged last; used by the thread only */
	void (*fn)(void *userdata);
	void *userdata;
};

/* The time of the next resolve: ahead of the expiry; for short-lived keys after half of their
 * life. */
static int64_t next_look(const struct aws_keys *keys, int64_t now)
{
	int64_t ahead;

	if (!keys->expires_us)
		return USEC_NEVER;
	ahead = (keys->expires_us - now) / 2;
	if (ahead > AWS_REFRESH_ADVISORY_US)
		ahead = AWS_REFRESH_ADVISORY_US;
	return keys->expires_us - ahead;
}

/* Log the error. "Nothing configured" is only information, because the machine may not use AWS.
 * Runs on the thread. */
static void say_trouble(struct aws_credential_cache *k, int r, const char *msg)
{
	if (*msg && !str_eq(k->logged, msg)) {
		if (r == -ERR_NOT_FOUND && !k->keys.id[0])
			log_event(LOG_LEVEL_INFO, "sagemaker_not_configured", "msg=\"%s\"", msg);
		else
			log_event(LOG_LEVEL_WARNING, "aws_keys_missing", "msg=\"%s\"", msg);
	}
	str_excerpt(k->logged, sizeof(k->logged), msg);
}

static void take_result(struct aws_credential_cache *k, int r, const struct aws_keys *keys,
			const char *source, const struct err *err)
{
	int64_t now = clock_now_us();
	void (*fn)(void *userdata);
	void *userdata;
	bool had, has, soon;

	pthread_mutex_lock(&k->lock);
	had = k->resolved && k->result == 0;
	if (r == 0) {
		k->keys = *keys;
		k->result = 0;
	} else if (!had || (k->keys.expires_us && k->keys.expires_us <= now) || k->asked) {
		k->result = r;
		k->err = *err;
	}
	k->resolved = true;
	k->asked = false;
	soon = r < 0 || (k->keys.expires_us && k->keys.expires_us < now + 2 * k->again_us);
	k->next_us = soon ? USEC_NEVER : next_look(&k->keys, now);
	k->next_mono_us = soon ? clock_mono_us() + k->again_us : USEC_NEVER;
	has = k->result == 0;
	fn = k->fn;
	userdata = k->userdata;
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
	if (r == 0)
		log_event(LOG_LEVEL_INFO, "aws_keys", "source=\"%s\"", source);
	say_trouble(k, r, r == 0 ? "" : err->msg);
	if (had != has && fn)
		fn(userdata);
}

static void wait_for_work(struct aws_credential_cache *k)
{
	while (!k->stopping && !k->asked && k->resolved) {
		int64_t due_us = k->next_us - clock_now_us();
		int64_t again_us = k->next_mono_us - clock_mono_us();

		if (due_us <= 0 || again_us <= 0)
			return;
		cond_wait_us(&k->changed, &k->lock, due_us < again_us ? due_us : again_us);
	}
}

static int resolve(const struct aws_credential_cache *k, struct aws_keys *keys,
		   char source[SOURCE_MAX], struct err *reterr)
{
	struct aws_config *config = NULL;
	int r = aws_config_again(k->config, &config, reterr);

	if (r >= 0)
		r = aws_credentials_resolve(config, k->net, keys, source, SOURCE_MAX, reterr);
	aws_config_free(config);
	return r;
}

static void *credential_cache_thread(void *userdata)
{
	struct aws_credential_cache *k = userdata;

	pthread_setname_np(pthread_self(), "aws-keys");
	for (;;) {
		struct aws_keys keys;
		char source[SOURCE_MAX];
		struct err err = {0};
		bool stop;
		int r;

		pthread_mutex_lock(&k->lock);
		wait_for_work(k);
		stop = k->stopping;
		pthread_mutex_unlock(&k->lock);
		if (stop)
			return NULL;
		r = resolve(k, &keys, source, &err);
		take_result(k, r, &keys, source, &err);
	}
}

int aws_credential_cache_new(const struct aws_config *c, struct net *net, int64_t again_us,
			     struct aws_credential_cache **ret, struct err *reterr)
{
	struct aws_credential_cache *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_errno(reterr, ENOMEM, "keep AWS credentials");
	k->config = c;
	k->net = net;
	k->again_us = again_us ? again_us : AWS_KEYS_AGAIN_US;
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->changed, NULL);
	r = thread_start(STACK_BYTES, credential_cache_thread, k, &k->thread);
	if (r < 0) {
		free(k);
		return err_errno(reterr, -r, "start the thread of AWS credentials");
	}
	*ret = k;
	return 0;
}

/* Stop the net thread first; otherwise this waits until a resolve ends. */
void aws_credential_cache_free(struct aws_credential_cache *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	k->stopping = true;
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	pthread_cond_destroy(&k->changed);
	pthread_mutex_destroy(&k->lock);
	explicit_bzero(&k->keys, sizeof(k->keys));
	free(k);
}

static int answer(struct aws_credential_cache *k, struct aws_keys *ret, struct err *reterr)
{
	if (!k->resolved || k->asked)
		return err_set(reterr, EAGAIN,
			       "the daemon is still looking for AWS credentials; try again");
	if (k->result < 0) {
		if (reterr)
			*reterr = k->err;
		return k->result;
	}
	if (k->keys.expires_us && k->keys.expires_us < clock_now_us() + MIN_VALID_US)
		return err_set(reterr, ERR_UNAVAILABLE,
			       "the AWS credentials have expired and could not be renewed");
	*ret = k->keys;
	return 0;
}

int aws_credential_cache_get(struct aws_credential_cache *k, struct aws_keys *ret,
			     struct err *reterr)
{
	int r;

	pthread_mutex_lock(&k->lock);
	r = answer(k, ret, reterr);
	pthread_mutex_unlock(&k->lock);
	return r;
}

int aws_credential_cache_wait(struct aws_credential_cache *k, struct aws_keys *ret,
			      struct err *reterr)
{
	int r;

	pthread_mutex_lock(&k->lock);
	while ((!k->resolved || k->asked) && !k->stopping)
		pthread_cond_wait(&k->changed, &k->lock);
	r = answer(k, ret, reterr);
	pthread_mutex_unlock(&k->lock);
	return r;
}

void aws_credential_cache_refused(struct aws_credential_cache *k, const struct aws_keys *keys)
{
	int64_t now = clock_mono_us();

	pthread_mutex_lock(&k->lock);
	if (str_eq(k->keys.id, keys->id) && str_eq(k->keys.token, keys->token) &&
	    (!k->believed_us || now - k->believed_us >= REFUSED_US)) {
		k->asked = true;
		k->believed_us = now;
		pthread_cond_broadcast(&k->changed);
	}
	pthread_mutex_unlock(&k->lock);
}

void aws_credential_cache_on_change(struct aws_credential_cache *k, void (*fn)(void *userdata),
				    void *userdata)
{
	pthread_mutex_lock(&k->lock);
	k->fn = fn;
	k->userdata = userdata;
	pthread_mutex_unlock(&k->lock);
}
