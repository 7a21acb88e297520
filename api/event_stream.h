/* SPDX-License-Identifier: MIT */
/*
 * GET /v1/events with Accept: text/event-stream: events as they happen, for a browser's
 * EventSource. https://html.spec.whatwg.org/multipage/server-sent-events.html. events.c calls this.
 */
#pragma once

#include "api/request.h"
#include "daemon/feed.h"

#define EVENT_STREAM_BEAT_S   15   /* a comment after so long without an event */
#define EVENT_STREAM_RETRY_MS 1000 /* the client connects again after this time */

/* The filter of store_read_events() for the events that the feed no longer has. Borrows `f`. */
static inline struct event_filter events_stored(const struct feed_filter *f, int64_t since,
						int limit)
{
	return (struct event_filter){.run = *f->run ? f->run : NULL,
				     .job = *f->job ? f->job : NULL,
				     .kind = *f->kind ? f->kind : NULL,
				     .since = since,
				     .limit = limit};
}

/* True if the client asks for a stream. */
bool event_stream_wanted(const struct request *rq);
/* Reply a stream of the events that match. It begins behind the header Last-Event-ID
 * ("GENERATION.SEQ"), else behind since=, else now. A position that does not exist (any more) is no
 * error, because a browser would give up: the stream begins with the event `reset`, {"seq",
 * "generation"}. The client then reads the state again; the stream has the events after that seq.
 */
void event_stream(struct request *rq, const struct feed_filter *filter);
