/* SPDX-License-Identifier: MIT */
/*
 * The refresher. Whoever has closed a file leaves its node id and sets a timer, if it is not running; so nobody
 * is woken on behalf of somebody who waits. The timer over, the thread looks whether requests have come in since
 * then, and since the last close: if so it waits twice as long, and so on; if not, and that close is long enough ago,
 * it refreshes what it was left.
 *
 * It goes through a mount of its own that nobody sees, a clone: a path through the one that users see would keep
 * that busy for the moment, and umount(8) would fail. But a filesystem lives as long as one of its mounts. So when
 * the table of mounts has changed and ours is not in it any more, the clone is let go, and the filesystem with it.
 */
#include "fuse/refresh.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fuse/fs.h"
#include "fuse/node.h"
#include "fuse/node_exec.h"
#include "takeover/guardian.h"
#include "takeover/urgent.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/lock.h"
#include "util/log.h"
#include "util/mounttab.h"

/* Hints kept. Source: the files of one hand-off, and some more; what is lost costs somebody a round trip. */
#define HINTS 16

/* From the close to the look, at first and at most. Source: a reader that is told at once needs about as long. */
#define DELAY_MIN_NS (100 * INT64_C(1000))
#define DELAY_MAX_NS (10 * NS_PER_MS)

/* How long a look-up is waited for. Source: a hundred times what it takes; whoever waits can do without. */
#define LOOK_NS (20 * NS_PER_MS)

struct refresh {
	/* Constant. */
	struct fs *fs;		/* borrowed */
	const char *mountpoint; /* borrowed until `ready` */
	int timer_fd;		/* owned */
	pthread_t thread;
	bool started;
	dev_t device; /* of the filesystem */
	sem_t ready;  /* the thread posts it */
	int error;    /* of the thread, before that */
	pid_t tid;    /* likewise: its number */

	/* The thread's own; descriptors in its own table. */
	int root_fd;   /* of the clone */
	int mounts_fd; /* the table of mounts */

	struct lock lock;      /* rank LOCK_REFRESH */
	uint64_t hints[HINTS]; /* lock; node ids, the newest at `next` - 1; 0: none */
	unsigned int next;     /* lock */
	bool timer_set;	       /* lock */
	uint64_t requests;     /* lock; of the mount, when the timer was set or at the last close */
	int64_t closed_mono_ns; /* lock; when that was */
	const char *look;	/* lock; borrowed from who waits for it: a path */
	uint32_t looks;		/* lock; how many there were */
	int looked;		/* lock; what the last one came to */
	pthread_cond_t idle;	/* lock; nobody waits for a path */
	_Atomic bool stopped;
};

static void set_timer_locked(struct refresh *r, int64_t delay_ns)
{
	struct itimerspec in = { .it_value.tv_nsec = delay_ns };

	if (atomic_load(&r->stopped)) /* it is set to end at once */
		return;
	r->timer_set = true;
	r->requests = fs_requests(r->fs);
	(void)timerfd_settime(r->timer_fd, 0, &in, NULL);
}

void refresh_closed(struct refresh *r, uint64_t nodeid)
{
	LOCK_SCOPE(&r->lock);
	if (r->hints[(r->next + HINTS - 1) % HINTS] != nodeid) {
		r->hints[r->next] = nodeid;
		r->next = (r->next + 1) % HINTS;
	}
	r->requests = fs_requests(r->fs);
	r->closed_mono_ns = clock_mono_ns();
	if (!r->timer_set)
		set_timer_locked(r, DELAY_MIN_NS);
}

/* It may have asked before there was a second name. */
bool refresh_must_not_know(struct fs *fs, pid_t asks, const struct inode *inode)
{
	const struct refresh *r = atomic_load(&fs->refresh);

	return atomic_load(&inode->flags) & INODE_LINKED && r && asks == r->tid;
}

/* ---- one path ---- */

int refresh_look(struct refresh *r, const char *path)
{
	int64_t until = clock_mono_ns() + LOOK_NS;
	int err = 0;

	LOCK_SCOPE(&r->lock);
	if (atomic_load(&r->stopped))
		return -ESHUTDOWN;
	r->look = path;
	r->looks++;
	urgent_soon(r->tid);
	set_timer_locked(r, 1);
	while (r->look && err == 0)
		err = lock_wait_until(&r->lock, &r->idle, until);
	if (r->look) { /* it may be looked up yet */
		r->look = NULL;
		return -ETIMEDOUT;
	}
	return r->looked;
}

/* False: nobody asks. A copy, since he may give up at any time. */
static bool take_look(struct refresh *r, uint32_t *ret_number, char path[PATH_MAX])
{
	LOCK_SCOPE(&r->lock);
	*ret_number = r->looks;
	if (r->look)
		(void)snprintf(path, PATH_MAX, "%s", r->look);
	return r->look != NULL;
}

static void look_asked(struct refresh *r)
{
	char path[PATH_MAX];
	uint32_t number;
	struct stat st;
	int err = 0;

	if (!take_look(r, &number, path))
		return;
	if (fstatat(r->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		err = -errno;
	LOCK_SCOPE(&r->lock);
	if (r->looks != number) /* it took too long, and he is gone */
		return;
	r->look = NULL;
	r->looked = err;
	(void)pthread_cond_signal(&r->idle);
}

/* ---- one file ---- */

/* Whoever is about to open it will ask himself, and so will those who have it open. */
static bool is_idle(struct fs *fs, struct inode *inode)
{
	LOCK_SCOPE(itable_lock(fs->itable, inode));
	return inode->nopen == 0 && !(atomic_load(&inode->flags) & (INODE_ORPHAN | INODE_LINKED));
}

/* Named in tests/lib/tsan.supp, which knows nothing of two tables of descriptors in one process. */
static void close_of_own_table(int *fd)
{
	(void)safe_close(*fd);
}

/* By path: the kernel makes an entry expire that is opened by handle. */
static void ask(struct refresh *r, struct inode *inode)
{
	_cleanup_(close_of_own_table) int fd = node_open(r->fs, inode, O_PATH | O_NOFOLLOW);
	char path[PATH_MAX];
	struct stat st;

	if (fd >= 0 && node_path(r->fs, fd, path, sizeof(path)) == 0 &&
	    fstatat(r->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0) /* the kernel wants to know */
		atomic_fetch_add_explicit(&r->fs->refreshed, 1, memory_order_relaxed);
}

/* An inode that the notifier gives back. */
struct loan {
	struct fs *fs;	     /* borrowed */
	struct inode *inode; /* owned reference */
};

static void give_back(void *arg)
{
	struct loan *l = arg;

	itable_unref(l->fs->itable, l->inode);
	free(l);
}

/*
 * Whoever gives the last reference back closes what the inode has open, and its backing id by /dev/fuse: numbers
 * that mean nothing here. So that is left to a thread that shares the process's descriptors.
 */
static void unref(struct refresh *r, struct inode *inode)
{
	struct loan *l;

	if (itable_unref_shared(r->fs->itable, inode))
		return;
	l = malloc(sizeof(*l));
	if (!l)
		return; /* it is kept; better than descriptors that nobody knows of */
	*l = (struct loan){ .fs = r->fs, .inode = inode };
	notify_then(r->fs->notify, give_back, l);
}

static void refresh_one(struct refresh *r, uint64_t nodeid)
{
	struct inode *inode = itable_ref(r->fs->itable, nodeid);

	if (!inode)
		return;
	if (is_idle(r->fs, inode))
		ask(r, inode);
	unref(r, inode);
}

/* 0: nothing is left. */
static uint64_t take_hint(struct refresh *r)
{
	uint64_t nodeid;

	LOCK_SCOPE(&r->lock);
	r->next = (r->next + HINTS - 1) % HINTS;
	nodeid = r->hints[r->next];
	r->hints[r->next] = 0;
	return nodeid;
}

/* ---- the thread ---- */

/* The smallest of them that is not below `from`; -1: none. */
static int next_of(const int *fds, size_t n, int from)
{
	int found = -1;

	for (size_t i = 0; i < n; i++)
		if (fds[i] >= from && (found < 0 || fds[i] < found))
			found = fds[i];
	return found;
}

/*
 * Close what this thread has no use for. Who reads what the daemon says when it starts waits for its end otherwise. By
 * system call: the thread sanitizer knows nothing of two tables.
 */
static int keep_descriptors(const struct refresh *r)
{
	_cleanup_(close_of_own_table) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int kept[] = { r->fs->store->fd, r->fs->store->tree_fd, r->timer_fd, null };
	int from = STDERR_FILENO + 1;

	for (int fd = 0; fd < from; fd++)
		if (null < 0 || syscall(SYS_dup3, null, fd, O_CLOEXEC) < 0)
			return -errno;
	for (int fd = next_of(kept, ARRAY_SIZE(kept), from); fd >= 0;
	     fd = next_of(kept, ARRAY_SIZE(kept), from)) {
		if (fd > from && close_range((unsigned int)from, (unsigned int)fd - 1, 0) < 0)
			return -errno;
		from = fd + 1;
	}
	return close_range((unsigned int)from, ~0U, 0) < 0 ? -errno : 0;
}

/*
 * This thread is a client of its own process. If that is killed while it waits for an answer, it dies only when the
 * kernel has ended the connection, which it does when the last descriptor of /dev/fuse is closed: so it must not
 * hold one, and has its own table of descriptors.
 */
static int become_client(const struct refresh *r)
{
	int err = store_leave(r->fs->store);

	if (err < 0)
		return err;
	log_mute_thread();
	if (unshare(CLONE_FILES) < 0)
		return -errno;
	return keep_descriptors(r);
}

static int clone_mount(struct refresh *r)
{
	struct mount_attr attr = { .propagation = MS_PRIVATE };
	struct statx stx;

	/* First: it tells of what changes from now on, and the mount may go at any time. */
	r->mounts_fd = open("/proc/thread-self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (r->mounts_fd < 0)
		return -errno;
	r->root_fd = (int)syscall(SYS_open_tree, AT_FDCWD, r->mountpoint,
				  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (r->root_fd < 0)
		return -errno;
	(void)syscall(SYS_mount_setattr, r->root_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr));
	if (statx(r->root_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0)
		return -errno;
	/* Else it has been unmounted, and this is a clone of what was below. */
	return makedev(stx.stx_dev_major, stx.stx_dev_minor) == r->device ? 0 : -ESTALE;
}

/* Until the timer is over. False: the filesystem is unmounted. */
static bool wait_for_timer(struct refresh *r)
{
	struct pollfd fds[] = { { .fd = r->timer_fd, .events = POLLIN },
				{ .fd = r->mounts_fd, .events = POLLPRI } };
	uint64_t times;

	while (poll(fds, ARRAY_SIZE(fds), -1) >= 0 || errno == EINTR) {
		if (fds[1].revents && !mounttab_has_device(major(r->device), minor(r->device)))
			return false;
		if (fds[0].revents && read(r->timer_fd, &times, sizeof(times)) > 0)
			return true;
	}
	return false;
}

/*
 * The timer is over. Returns whether clients let us do something: those that close and open in quick succession do not,
 * however long ago it was set; those that rest after each close do.
 */
static bool is_calm(struct refresh *r, int64_t *delay_ns)
{
	int64_t missing_ns;

	LOCK_SCOPE(&r->lock);
	missing_ns = r->closed_mono_ns + DELAY_MIN_NS - clock_mono_ns();
	if (fs_requests(r->fs) != r->requests) {
		*delay_ns = MIN_OF(*delay_ns * 2, DELAY_MAX_NS);
		set_timer_locked(r, *delay_ns);
		return false;
	}
	if (missing_ns > 0) {
		set_timer_locked(r, missing_ns);
		return false;
	}
	r->timer_set = false;
	*delay_ns = DELAY_MIN_NS;
	return true;
}

static void *run(void *arg)
{
	struct refresh *r = arg;
	int64_t delay_ns = DELAY_MIN_NS;
	uint64_t nodeid;
	int err;

	(void)pthread_setname_np(pthread_self(), "refresh");
	guardian_may_hang(r->fs->config.keep);
	err = become_client(r);

	if (err == 0)
		err = clone_mount(r);
	r->error = err;
	r->tid = gettid();
	(void)sem_post(&r->ready);
	while (err == 0 && wait_for_timer(r) && !atomic_load(&r->stopped)) {
		look_asked(r);
		if (!is_calm(r, &delay_ns))
			continue;
		while (!atomic_load(&r->stopped) && (nodeid = take_hint(r)))
			refresh_one(r, nodeid);
	}
	return NULL; /* its descriptors go with it, and with them the clone */
}

/* ---- from outside ---- */

int refresh_new(struct fs *fs, const char *mountpoint, dev_t device, struct refresh **ret)
{
	_cleanup_(refresh_freep) struct refresh *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->fs = fs;
	r->mountpoint = mountpoint;
	r->device = device;
	lock_init(&r->lock, LOCK_REFRESH);
	lock_cond_init(&r->idle);
	(void)sem_init(&r->ready, 0, 0); /* fails for other arguments only */
	r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (r->timer_fd < 0)
		return -errno;
	err = pthread_create(&r->thread, NULL, run, r);
	if (err)
		return -err;
	r->started = true;
	while (sem_wait(&r->ready) < 0)
		; /* interrupted by a signal */
	if (r->error < 0)
		return r->error;
	*ret = TAKE_PTR(r);
	return 0;
}

void refresh_stop(struct refresh *r)
{
	struct itimerspec now = { .it_value.tv_nsec = 1 };

	if (!r->started)
		return;
	{
		LOCK_SCOPE(&r->lock);
		atomic_store(&r->stopped, true);
		(void)timerfd_settime(r->timer_fd, 0, &now, NULL);
	}
	(void)pthread_join(r->thread, NULL);
	r->started = false;
}

void refresh_free(struct refresh *r)
{
	if (!r)
		return;
	refresh_stop(r);
	(void)safe_close(r->timer_fd);
	(void)sem_destroy(&r->ready);
	(void)pthread_cond_destroy(&r->idle);
	lock_done(&r->lock);
	free(r);
}
