/* SPDX-License-Identifier: MIT */
/*
 * Who finds nothing is answered by a thread of the log's own, so that none of those that serve requests waits, nor
 * answers others' reads. It takes what has come meanwhile together: at most a hundred answers a second for each reader.
 */
#include "fuse/accesslog.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/lock.h"

/* Between two rounds of answers. Source: nobody sees it, and it is a hundred lines of a busy client. */
#define ROUND_NS (10 * NS_PER_MS)

struct line {
	uid_t uid;
	pid_t tid;
	uint32_t len;
	char text[ACCESSLOG_LINE_MAX];
};

struct reader {
	struct reader *next; /* owned */
	struct accesslog_who who;
	bool all;
	uint64_t at; /* the next line for it */
	/* What is left of a line that did not fit. */
	char rest[ACCESSLOG_LINE_MAX];
	size_t rest_len;
	size_t rest_at;
};

struct accesslog {
	/* Constant. */
	uid_t owner; /* who mounted */
	char *bytes; /* owned; of an answer, the thread's */

	_Atomic bool is_read;

	struct lock lock; /* rank LOCK_ACCESS; all below */
	pthread_cond_t wake;
	struct line *ring;		  /* owned; ACCESSLOG_LINES, made for the first reader */
	uint64_t next;			  /* lines so far: where the next one goes */
	struct reader *readers;		  /* owned */
	struct accesslog_waiter *waiters; /* each its caller's */
	pthread_t thread;
	bool stopped;
	bool started;
	bool due;      /* somebody may be to be answered */
	bool sleeping; /* the thread waits for that */
};

/* ---- lines ---- */

static bool is_for(const struct reader *r, const struct line *line)
{
	if (line->tid != 0 && line->tid == r->who.tid)
		return false;
	return r->all || line->uid == r->who.uid;
}

static void note_rest(struct reader *r, const char *text, size_t len)
{
	memcpy(r->rest, text, len);
	r->rest_len = len;
	r->rest_at = 0;
}

/* Who is not told of all is not told of how much others did, either. */
static void note_lost(struct reader *r, uint64_t n)
{
	char text[64];
	int len = r->all ? snprintf(text, sizeof(text), "... %llu lines lost\n",
				    (unsigned long long)n)
			 : snprintf(text, sizeof(text), "... lines lost\n");

	note_rest(r, text, (size_t)len);
}

/* The next line for the reader is its `rest`. False: there is none. */
static bool next_line_locked(struct accesslog *l, struct reader *r)
{
	if (l->next - r->at > ACCESSLOG_LINES) {
		/* To the newer half, else it would lose the next one at once. */
		uint64_t lost = l->next - ACCESSLOG_LINES / 2 - r->at;

		r->at += lost;
		note_lost(r, lost);
		return true;
	}
	while (r->at < l->next) {
		const struct line *line = &l->ring[r->at++ % ACCESSLOG_LINES];

		if (!is_for(r, line))
			continue;
		note_rest(r, line->text, line->len);
		return true;
	}
	return false;
}

static size_t fill_locked(struct accesslog *l, struct reader *r, char *buf, size_t size)
{
	size_t used = 0;

	size = MIN_OF(size, ACCESSLOG_READ_MAX);
	while (used < size) {
		size_t n;

		if (r->rest_at == r->rest_len && !next_line_locked(l, r))
			break;
		n = MIN_OF(r->rest_len - r->rest_at, size - used);
		memcpy(buf + used, r->rest + r->rest_at, n);
		used += n;
		r->rest_at += n;
	}
	return used;
}

bool accesslog_is_read(const struct accesslog *l)
{
	return atomic_load_explicit(&l->is_read, memory_order_relaxed);
}

static void wake_locked(struct accesslog *l)
{
	if (l->sleeping && !l->due)
		(void)pthread_cond_signal(&l->wake);
	l->due = true;
}

void accesslog_add(struct accesslog *l, uid_t uid, pid_t tid, const char *text)
{
	struct line *line;

	LOCK_SCOPE(&l->lock);
	if (!l->readers)
		return;
	line = &l->ring[l->next % ACCESSLOG_LINES];
	line->uid = uid;
	line->tid = tid;
	line->len = (uint32_t)strnlen(text, ACCESSLOG_LINE_MAX - 1);
	memcpy(line->text, text, line->len);
	line->text[line->len++] = '\n';
	l->next++;
	if (l->waiters)
		wake_locked(l);
}

/* ---- readers ---- */

static struct reader *find_locked(struct accesslog *l, int number)
{
	struct reader *r = l->readers;

	while (r && r->who.number != number)
		r = r->next;
	return r;
}

static bool is_full_locked(const struct accesslog *l, bool all)
{
	size_t n = 0;

	for (const struct reader *r = l->readers; r; r = r->next)
		n += all || !r->all;
	return n >= (all ? ACCESSLOG_READERS_MAX : ACCESSLOG_READERS_MAX / 2);
}

static int open_locked(struct accesslog *l, const struct accesslog_who *who, struct reader **ret)
{
	bool all = who->uid == 0 || who->uid == l->owner;
	struct reader *r;

	if (is_full_locked(l, all))
		return -EMFILE;
	if (!l->ring)
		l->ring = malloc(ACCESSLOG_LINES * sizeof(*l->ring));
	r = l->ring ? malloc(sizeof(*r)) : NULL;
	if (!r)
		return -ENOMEM;
	r->who = *who;
	r->all = all;
	r->at = l->next;
	r->rest_len = r->rest_at = 0;
	r->next = l->readers;
	l->readers = r;
	atomic_store_explicit(&l->is_read, true, memory_order_relaxed);
	*ret = r;
	return 0;
}

int accesslog_open(struct accesslog *l, const struct accesslog_who *who)
{
	struct reader *r;

	LOCK_SCOPE(&l->lock);
	return open_locked(l, who, &r);
}

void accesslog_close(struct accesslog *l, int number)
{
	struct reader *found;

	LOCK_SCOPE(&l->lock);
	for (struct reader **r = &l->readers; (found = *r); r = &found->next) {
		if (found->who.number != number)
			continue;
		*r = found->next;
		free(found);
		break;
	}
	atomic_store_explicit(&l->is_read, l->readers != NULL, memory_order_relaxed);
}

/* ---- who waits ---- */

static void park_locked(struct accesslog *l, int number, size_t size, struct accesslog_waiter *w)
{
	w->number = number;
	w->size = size;
	w->next = l->waiters;
	l->waiters = w;
	wake_locked(l);
}

static int adopt_locked(struct accesslog *l, const struct accesslog_who *who, struct reader **ret)
{
	static const char text[] = "... batonfs was replaced, lines lost\n";
	int r = open_locked(l, who, ret);

	if (r == 0)
		note_rest(*ret, text, strlen(text));
	return r;
}

ssize_t accesslog_read(struct accesslog *l, const struct accesslog_who *who, char *buf, size_t size,
		       struct accesslog_waiter *w)
{
	struct reader *r;
	int err = 0;
	size_t n;

	LOCK_SCOPE(&l->lock);
	if (l->stopped)
		return 0;
	r = find_locked(l, who->number);
	if (!r)
		err = adopt_locked(l, who, &r);
	if (err < 0)
		return err;
	r->who.tid = who->tid;
	n = fill_locked(l, r, buf, size);
	if (n > 0 || size == 0)
		return (ssize_t)n;
	if (!w)
		return -EAGAIN;
	if (w->interrupted)
		return -EINTR;
	park_locked(l, who->number, size, w);
	return -EINPROGRESS;
}

void accesslog_interrupt(struct accesslog *l, struct accesslog_waiter *w)
{
	LOCK_SCOPE(&l->lock);
	w->interrupted = true;
	wake_locked(l);
}

/* Take one out who is to be answered now; NULL: nobody. *ret_len bytes of l->bytes, or *ret_err. */
static struct accesslog_waiter *take_locked(struct accesslog *l, int *ret_err, size_t *ret_len)
{
	struct accesslog_waiter *w;

	for (struct accesslog_waiter **at = &l->waiters; (w = *at); at = &w->next) {
		struct reader *r = find_locked(l, w->number);
		bool ends = w->interrupted || l->stopped || !r;

		*ret_err = w->interrupted ? -EINTR : 0;
		*ret_len = ends ? 0 : fill_locked(l, r, l->bytes, w->size);
		if (!ends && *ret_len == 0)
			continue;
		*at = w->next;
		return w;
	}
	return NULL;
}

/* One answer. False: there is none to be given. */
static bool answer(struct accesslog *l)
{
	struct accesslog_waiter *w;
	size_t len;
	int err;

	{
		LOCK_SCOPE(&l->lock);
		w = take_locked(l, &err, &len);
	}
	if (w)
		w->done(w, err, l->bytes, len);
	return w;
}

/* False: the end. */
static bool wait_until_due(struct accesslog *l)
{
	LOCK_SCOPE(&l->lock);
	l->sleeping = true;
	while (!l->due && !l->stopped)
		lock_wait(&l->lock, &l->wake);
	l->sleeping = false;
	l->due = false;
	return !l->stopped;
}

static void *run(void *arg)
{
	struct accesslog *l = arg;
	const struct timespec round = { .tv_nsec = ROUND_NS };
	bool goes_on = true;

	(void)pthread_setname_np(pthread_self(), "accesslog");
	while (goes_on) {
		goes_on = wait_until_due(l);
		while (answer(l))
			;
		if (goes_on)
			(void)nanosleep(&round, NULL); /* what comes now goes together */
	}
	return NULL;
}

/* ---- beginning and end ---- */

int accesslog_new(struct accesslog **ret)
{
	_cleanup_(accesslog_freep) struct accesslog *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->owner = getuid();
	lock_init(&l->lock, LOCK_ACCESS);
	lock_cond_init(&l->wake);
	l->bytes = malloc(ACCESSLOG_READ_MAX);
	if (!l->bytes)
		return -ENOMEM;
	*ret = TAKE_PTR(l);
	return 0;
}

int accesslog_start(struct accesslog *l)
{
	int r;

	LOCK_SCOPE(&l->lock);
	r = l->stopped ? 0 : pthread_create(&l->thread, NULL, run, l);
	l->started = !l->stopped && r == 0;
	return -r;
}

void accesslog_stop(struct accesslog *l)
{
	bool join;

	{
		LOCK_SCOPE(&l->lock);
		l->stopped = true;
		join = l->started;
		l->started = false;
		(void)pthread_cond_signal(&l->wake);
	}
	if (join)
		(void)pthread_join(l->thread, NULL);
}

void accesslog_free(struct accesslog *l)
{
	if (!l)
		return;
	accesslog_stop(l);
	while (l->readers) {
		struct reader *r = l->readers;

		l->readers = r->next;
		free(r);
	}
	free(l->ring);
	free(l->bytes);
	(void)pthread_cond_destroy(&l->wake);
	lock_done(&l->lock);
	free(l);
}
