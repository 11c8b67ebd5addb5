/* SPDX-License-Identifier: MIT */
/*
 * The notifier's thread and its queues. A name that is gone is made to expire first, which is quick: from then
 * on the kernel asks us about it. Dropping what it keeps below that name may take long (all of a large
 * execution), and is done when nothing quick is left to do.
 */
#include "fuse/notify.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "fuse/fs.h"
#include "fuse/untold.h"
#include "takeover/guardian.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/lock.h"
#include "util/log.h"

/*
 * How long slow work waits for what is quick and belongs to it: the answer to who asked for the release comes
 * after the names have been queued. Source: many times what that takes.
 */
#define SETTLE_NS (5 * NS_PER_MS)

enum item_kind {
	ITEM_EXPIRE, /* the entry is asked about from now on */
	ITEM_DROP,   /* it goes, with what is below it */
	ITEM_CALL,
	ITEM_STEPS, /* a piece of work, again and again */
};

struct item {
	struct item *next; /* owned */
	enum item_kind kind;
	void (*fn)(void *arg);
	notify_step_fn *step;
	void *arg;
	int64_t due_mono_ns; /* of slow ones */
	uint32_t note;	     /* told when it is handled; see untold.h */
	uint64_t nodeid;
	char name[];
};

struct queue_of_items {
	struct item *head; /* owned */
	struct item **tail;
};

struct notify {
	struct keep *keep; /* borrowed */
	pthread_t thread;
	struct lock lock; /* rank LOCK_NOTIFY */
	pthread_cond_t wake;
	pthread_cond_t idle;
	struct queue_of_items quick;  /* lock: in order */
	struct untold *untold;	      /* lock; owned */
	struct queue_of_items slow;   /* lock: ITEM_DROP and _STEPS, when `quick` is empty */
	struct fuse_session *session; /* lock; borrowed, NULL before and after the mount */
	bool busy;		      /* lock: with an item that it has taken */
	bool telling;		      /* lock: which is no more than a call of the kernel's */
	bool stop;		      /* lock */
	bool leave;		      /* lock: nothing more is begun */
};

static void tell_kernel(const struct item *item, struct fuse_session *session)
{
	size_t len = strlen(item->name);
	int r = -ENOSYS;

	lock_assert_none();
	FAULT_HANG("name-expires");
	if (item->kind == ITEM_EXPIRE)
		r = fuse_lowlevel_notify_expire_entry(session, item->nodeid, item->name, len);
	if (r == -ENOSYS) /* to drop; or the kernel cannot expire (before Linux 6.2) */
		r = fuse_lowlevel_notify_inval_entry(session, item->nodeid, item->name, len);
	if (r == -ENOENT && item->kind == ITEM_EXPIRE) /* forgotten, but in a listing it keeps */
		(void)fuse_lowlevel_notify_inval_inode(session, item->nodeid, 0, 0);
	if (r < 0 && r != -ENOENT && r != -ENOTDIR) /* ENOENT: the kernel did not have it */
		log_debug("notify name=%s error=%s, ignoring", item->name, log_errname(r));
}

static struct item *queue_pop(struct queue_of_items *q)
{
	struct item *item = q->head;

	if (item)
		q->head = item->next;
	if (!q->head)
		q->tail = &q->head;
	return item;
}

static void queue_push(struct queue_of_items *q, struct item *item)
{
	*q->tail = item;
	q->tail = &item->next;
}

static void queue_push_front(struct queue_of_items *q, struct item *item)
{
	if (!q->head)
		q->tail = &item->next;
	item->next = q->head;
	q->head = item;
}

/* Whether there is more to do. */
static bool handle(const struct item *item, struct fuse_session *session)
{
	switch (item->kind) {
	case ITEM_CALL:
		item->fn(item->arg);
		return false;
	case ITEM_STEPS:
		return item->step(item->arg, session) && session;
	default:
		if (session)
			tell_kernel(item, session);
		return false;
	}
}

/* Until there is something to do now, or the end has come. The caller holds the lock. */
static void wait_for_item_locked(struct notify *n)
{
	while (n->leave || (!n->quick.head && !n->stop)) {
		if (n->leave || !n->slow.head)
			lock_wait(&n->lock, &n->wake);
		else if (n->slow.head->due_mono_ns <= clock_mono_ns())
			return;
		else
			(void)lock_wait_until(&n->lock, &n->wake, n->slow.head->due_mono_ns);
	}
}

static void *run(void *arg)
{
	struct notify *n = arg;

	(void)pthread_setname_np(pthread_self(), "notify");
	guardian_may_hang(n->keep); /* behind an operation in the directory */
	for (;;) {
		struct fuse_session *session;
		struct item *item;
		bool more;

		{
			LOCK_SCOPE(&n->lock);
			wait_for_item_locked(n);
			item = queue_pop(n->quick.head ? &n->quick : &n->slow);
			if (!item)
				return NULL;
			session = n->session;
			n->busy = true;
			n->telling = item->kind == ITEM_EXPIRE || item->kind == ITEM_DROP;
		}
		more = handle(item, session);
		{
			LOCK_SCOPE(&n->lock);
			if (more)
				queue_push_front(&n->slow, item);
			else
				untold_told(n->untold, item->note);
			n->busy = false;
			if (n->leave || (!n->quick.head && !n->slow.head))
				(void)pthread_cond_broadcast(&n->idle);
		}
		if (!more)
			free(item);
	}
}

static struct item *new_item(enum item_kind kind, uint64_t nodeid, const char *name)
{
	size_t len = strlen(name) + 1;
	struct item *item = calloc(1, sizeof(*item) + len);

	if (item) {
		item->kind = kind;
		item->due_mono_ns = clock_mono_ns() + SETTLE_NS;
		item->nodeid = nodeid;
		memcpy(item->name, name, len);
	}
	return item;
}

static void enqueue(struct notify *n, struct queue_of_items *q, struct item *item)
{
	LOCK_SCOPE(&n->lock);
	queue_push(q, item);
	(void)pthread_cond_signal(&n->wake);
}

uint32_t notify_going(struct notify *n, uint64_t nodeid, const char *name)
{
	LOCK_SCOPE(&n->lock);
	return untold_add(n->untold, nodeid, name);
}

void notify_stays(struct notify *n, uint32_t note)
{
	LOCK_SCOPE(&n->lock);
	untold_told(n->untold, note);
}

void notify_gone(struct notify *n, uint64_t nodeid, const char *name, uint32_t note)
{
	struct item *expire = new_item(ITEM_EXPIRE, nodeid, name);
	struct item *drop = new_item(ITEM_DROP, nodeid, name);

	if (!expire || !drop)
		log_warning(
			"notify name=%s: out of memory; clients may see the name a while longer, ignoring",
			name);
	if (drop) /* the last of it; without it, the next process tells the kernel again */
		drop->note = note ? note : notify_going(n, nodeid, name);
	if (expire)
		enqueue(n, &n->quick, expire);
	if (drop)
		enqueue(n, &n->slow, drop);
}

void notify_drop(struct notify *n, uint64_t nodeid, const char *name)
{
	struct item *drop = new_item(ITEM_DROP, nodeid, name);

	if (drop) /* else the kernel forgets it when it needs the memory */
		enqueue(n, &n->slow, drop);
}

bool notify_resume(struct notify *n, void (*fn)(void *arg, uint64_t nodeid, const char *name),
		   void *arg)
{
	const char *name;
	uint64_t nodeid;
	uint32_t note = 0;

	while (untold_next(n->untold, &note, &nodeid, &name)) {
		fn(arg, nodeid, name);
		notify_gone(n, nodeid, name, note);
	}
	return !untold_overflowed(n->untold);
}

void notify_doubted(struct notify *n)
{
	LOCK_SCOPE(&n->lock);
	untold_doubted(n->untold);
}

int notify_slowly(struct notify *n, notify_step_fn *step, void *arg)
{
	struct item *item = new_item(ITEM_STEPS, 0, "");

	if (!item)
		return -ENOMEM;
	item->step = step;
	item->arg = arg;
	enqueue(n, &n->slow, item);
	return 0;
}

void notify_then(struct notify *n, void (*fn)(void *arg), void *arg)
{
	struct item *item = new_item(ITEM_CALL, 0, "");

	if (!item) { /* out of order is better than never */
		fn(arg);
		return;
	}
	item->fn = fn;
	item->arg = arg;
	enqueue(n, &n->quick, item);
}

void notify_set_session(struct notify *n, struct fuse_session *session)
{
	LOCK_SCOPE(&n->lock);
	n->session = session;
	while (!session && (n->busy || n->quick.head || n->slow.head))
		lock_wait(&n->lock, &n->idle);
}

void notify_wait(struct notify *n, int64_t until_mono_ns)
{
	int r = 0;

	LOCK_SCOPE(&n->lock);
	while (r == 0 && (n->busy || n->quick.head || n->slow.head))
		r = lock_wait_until(&n->lock, &n->idle, until_mono_ns);
}

void notify_leave(struct notify *n, int64_t until_mono_ns)
{
	int r = 0;

	LOCK_SCOPE(&n->lock);
	n->leave = true;
	/*
	 * With an answer. In the kernel it disturbs nobody, and may be behind an operation in the directory that waits for
	 * the next process; which tells the kernel, too.
	 */
	while (r == 0 && n->busy && !n->telling)
		r = lock_wait_until(&n->lock, &n->idle, until_mono_ns);
}

int notify_new(struct keep *keep, struct notify **ret)
{
	_cleanup_free_ struct notify *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->keep = keep;
	r = untold_new(keep, &n->untold);
	if (r < 0)
		return r;
	n->quick.tail = &n->quick.head;
	n->slow.tail = &n->slow.head;
	lock_init(&n->lock, LOCK_NOTIFY);
	lock_cond_init(&n->wake);
	lock_cond_init(&n->idle);
	r = pthread_create(&n->thread, NULL, run, n);
	if (r) {
		untold_free(n->untold);
		return -r;
	}
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
	(void)pthread_cond_destroy(&n->idle);
	lock_done(&n->lock);
	untold_free(n->untold);
	free(n);
}
