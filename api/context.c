/* SPDX-License-Identifier: MIT */
/*
 * Shared state of a server's threads: the pool of database readers and the counters on which
 * api_stop() waits. One lock, held for a few instructions.
 */
#include "api/context.h"

#include "daemon/manager.h"

int api_reader_take(struct api *api, struct store_reader **ret, struct err *reterr)
{
	struct store_reader *sr = NULL;

	pthread_mutex_lock(&api->lock);
	if (api->readers_n)
		sr = api->readers[--api->readers_n];
	pthread_mutex_unlock(&api->lock);
	if (!sr) { /* do not open a foreign database that is at the path now */
		int r = manager_check_location(api->manager, reterr);

		return r < 0 ? r : store_reader_open(api->data_dir, ret, reterr);
	}
	*ret = sr;
	return 0;
}

void api_reader_give(struct api *api, struct store_reader *sr)
{
	if (!sr)
		return;
	pthread_mutex_lock(&api->lock);
	if (api->readers_n < API_READERS_MAX) {
		api->readers[api->readers_n++] = sr;
		sr = NULL;
	}
	pthread_mutex_unlock(&api->lock);
	store_reader_close(sr);
}

static int *counter(struct api *api, enum api_counter which)
{
	switch (which) {
	case API_ACTIVE:
		return &api->active;
	case API_SUSPENDED:
		return &api->suspended;
	case API_FOLLOWERS:
		return &api->followers;
	case API_WATCHERS:
		return &api->watchers;
	}
	return NULL;
}

void api_count(struct api *api, enum api_counter which, int delta)
{
	pthread_mutex_lock(&api->lock);
	*counter(api, which) += delta;
	if (api->stopping)
		pthread_cond_signal(&api->calmed);
	pthread_mutex_unlock(&api->lock);
}

bool api_stopping(struct api *api)
{
	bool stopping;

	pthread_mutex_lock(&api->lock);
	stopping = api->stopping;
	pthread_mutex_unlock(&api->lock);
	return stopping;
}

bool api_count_below(struct api *api, enum api_counter which, int most)
{
	bool room;

	pthread_mutex_lock(&api->lock);
	room = *counter(api, which) < most;
	*counter(api, which) += room;
	pthread_mutex_unlock(&api->lock);
	return room;
}
