/* SPDX-License-Identifier: MIT */
/*
 * The notifier's thread and its queue.
 */
#include "fuse/notify.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "fuse/fs.h"
#include "util/cleanup.h"
#include "util/lock.h"
#include "util/log.h"

struct item {
	struct item *next;     /* owned */
	void (*fn)(void *arg); /* NULL: the entry `name` of `nodeid` is gone */
	void *arg;
	uint64_t nodeid;
	char name[];
};

struct notify {
	pthread_t thread;
	struct lock lock; /* rank LOCK_NOTIFY */
	pthread_cond_t wake;
	struct item *head;	      /* lock; owned */
	struct item **tail;	      /* lock */
	struct fuse_session *session; /* lock; borrowed, NULL before and after the mount */
	bool stop;		      /* lock */
};

static void handle(struct notify *n, struct item *item, struct fuse_session *session)
{
	int r;

	if (item->fn) {
		item->fn(item->arg);
		return;
	}
	if (!session)
		return;
	lock_assert_none();
	r = fuse_lowlevel_notify_inval_entry(session, item->nodeid, item->name, strlen(item->name));
	if (r < 0 && r != -ENOENT && r != -ENOTDIR) /* ENOENT: the kernel did not have it */
		log_debug("notify name=%s error=%s, ignoring", item->name, log_errname(r));
	(void)n;
}

static void *run(void *arg)
{
	struct notify *n = arg;

	for (;;) {
		struct fuse_session *session;
		struct item *item;

		{
			LOCK_SCOPE(&n->lock);
			while (!n->head && !n->stop)
				lock_wait(&n->lock, &n->wake);
			item = n->head;
			if (!item)
				return NULL;
			n->head = item->next;
			if (!n->head)
				n->tail = &n->head;
			session = n->session;
		}
		handle(n, item, session);
		free(item);
	}
}

static void enqueue(struct notify *n, struct item *item)
{
	LOCK_SCOPE(&n->lock);
	*n->tail = item;
	n->tail = &item->next;
	(void)pthread_cond_signal(&n->wake);
}

void notify_gone(struct notify *n, uint64_t nodeid, const char *name)
{
	size_t len = strlen(name) + 1;
	struct item *item = calloc(1, sizeof(*item) + len);

	if (!item) {
		log_warning(
			"notify name=%s: out of memory; clients may see the name a while longer, ignoring",
			name);
		return;
	}
	item->nodeid = nodeid;
	memcpy(item->name, name, len);
	enqueue(n, item);
}

void notify_then(struct notify *n, void (*fn)(void *arg), void *arg)
{
	struct item *item = calloc(1, sizeof(*item));

	if (!item) { /* out of order is better than never */
		fn(arg);
		return;
	}
	item->fn = fn;
	item->arg = arg;
	enqueue(n, item);
}

void notify_set_session(struct notify *n, struct fuse_session *session)
{
	LOCK_SCOPE(&n->lock);
	n->session = session;
}

int notify_new(struct notify **ret)
{
	_cleanup_free_ struct notify *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->tail = &n->head;
	lock_init(&n->lock, LOCK_NOTIFY);
	lock_cond_init(&n->wake);
	r = pthread_create(&n->thread, NULL, run, n);
	if (r)
		return -r;
	*ret = TAKE_PTR(n);
	return 0;
}

void notify_free(struct notify *n)
{
	if (!n)
		return;
	{
		LOCK_SCOPE(&n->lock);
		n->stop = true;
		(void)pthread_cond_signal(&n->wake);
	}
	(void)pthread_join(n->thread, NULL);
	(void)pthread_cond_destroy(&n->wake);
	lock_done(&n->lock);
	free(n);
}
