/* SPDX-License-Identifier: MIT */
/*
 * Deletion without recursion: a directory that still has sub-directories gives them to the trash itself,
 * under new names, until everything is flat. So depth costs neither stack nor descriptors, and a crash in
 * the middle leaves nothing but more trash.
 */
#include "store/trash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/dir.h"
#include "util/fault.h"
#include "util/lock.h"
#include "util/log.h"

/* Niceness of the deleting thread. Source: the lowest that still gets a share on a busy machine. */
#define NICENESS 15

/* A name in the trash, BOOT-SERIAL, two numbers of 16 hexadecimal digits at most, and its NUL. */
#define NAME_SIZE 48

/* Files that are watched, at most. Source: a descriptor each, and a list that is searched. */
#define WATCHED_MAX 256

struct trash {
	/* Constant. */
	int fd;		 /* borrowed */
	char prefix[24]; /* of the names here; another one in each process */
	pthread_t thread;
	bool started;

	struct lock lock;	 /* rank LOCK_TRASH */
	pthread_cond_t wake;	 /* trash.lock */
	bool work;		 /* trash.lock: something was taken since the thread last looked */
	bool stop;		 /* trash.lock */
	struct trash_upcalls up; /* trash.lock */
	struct trash_watch *watched; /* trash.lock: the newest first */

	_Atomic uint64_t serial;
	_Atomic uint64_t pending;
	_Atomic uint64_t deleted;
	_Atomic uint32_t nwatched; /* changes under `lock` */
	_Atomic bool stopping;	   /* the same as stop, read inside the deletion loop */
};

static void fresh_name(struct trash *t, char *buf, size_t len)
{
	(void)snprintf(buf, len, "%s%" PRIx64, t->prefix, atomic_fetch_add(&t->serial, 1));
}

static void wake(struct trash *t)
{
	atomic_fetch_add(&t->pending, 1);
	LOCK_SCOPE(&t->lock);
	t->work = true;
	(void)pthread_cond_signal(&t->wake);
}

/* What was cleared, for as long as it takes. */
struct cleared {
	int fd; /* owned; -1: nothing */
	int flags;
};

#define NOT_CLEARED                                                                                \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* What somebody made immutable or append-only goes like any other. */
static struct cleared clear_flags(int dirfd, const char *name)
{
	struct cleared c = {
		.fd = openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC),
	};
	int flags;

	if (c.fd >= 0 && ioctl(c.fd, FS_IOC_GETFLAGS, &c.flags) == 0) {
		flags = c.flags & ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
		if (ioctl(c.fd, FS_IOC_SETFLAGS, &flags) == 0)
			return c;
	}
	(void)safe_close(c.fd); /* what remains impossible fails then */
	return (struct cleared)NOT_CLEARED;
}

/* The names that a file has elsewhere are not ours: what they lead to stays as it was. */
static void cleared_done(struct cleared *c)
{
	struct stat st;

	if (c->fd >= 0 && fstat(c->fd, &st) == 0 && !S_ISDIR(st.st_mode) && st.st_nlink > 0)
		(void)ioctl(c->fd, FS_IOC_SETFLAGS, &c->flags);
	(void)safe_close(c->fd);
}

/* Move an entry to the top of the trash, under another name. What it has elsewhere is set back by the caller. */
static int move(struct trash *t, int dirfd, const char *name, const char *fresh,
		struct cleared *cleared)
{
	if (renameat(dirfd, name, t->fd, fresh) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	cleared_done(cleared);
	*cleared = clear_flags(dirfd, name);
	return renameat(dirfd, name, t->fd, fresh) < 0 ? -errno : 0;
}

int trash_take(struct trash *t, int dirfd, const char *name)
{
	_cleanup_(cleared_done) struct cleared cleared = NOT_CLEARED;
	char fresh[NAME_SIZE];
	int r;

	fresh_name(t, fresh, sizeof(fresh));
	r = move(t, dirfd, name, fresh, &cleared);
	if (r == -ENOSPC) { /* not even for a name: what is here already gives some */
		(void)!trash_empty(t);
		r = move(t, dirfd, name, fresh, &cleared);
	}
	if (r == 0)
		wake(t);
	return r;
}

static bool is_inode(int dirfd, const char *name, uint64_t ino)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == ino;
}

/*
 * Nothing but a rename takes exactly what is there; so it is taken first, looked at, and put back if it is
 * something else by then. The name with the leading dot keeps the worker's hands off meanwhile.
 */
int trash_take_inode(struct trash *t, int dirfd, const char *name, uint64_t ino)
{
	_cleanup_(cleared_done) struct cleared cleared = NOT_CLEARED;
	char held[NAME_SIZE + 1] = ".";
	struct stat st;
	bool put_back;
	int r;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (st.st_ino != ino)
		return -ESTALE;
	fresh_name(t, held + 1, NAME_SIZE);
	r = move(t, dirfd, name, held, &cleared);
	if (r < 0)
		return r;
	put_back = !is_inode(t->fd, held, ino);
	if (put_back && renameat2(t->fd, held, dirfd, name, RENAME_NOREPLACE) == 0)
		return -ESTALE;
	/* If it could not be put back, somebody has made a new one of that name, as if over this one. */
	if (renameat(t->fd, held, t->fd, held + 1) < 0)
		return -errno;
	wake(t);
	return put_back ? -ESTALE : 0;
}

/* ---- what is watched ---- */

static bool has_no_name(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

static struct trash_watch **find_watched_locked(struct trash *t, uint64_t ino)
{
	struct trash_watch **at = &t->watched;

	while (*at && (*at)->ino != ino)
		at = &(*at)->next;
	return at;
}

static void tell_watched_locked(struct trash *t, struct trash_watch **at, bool gone)
{
	struct trash_watch *w = *at;

	*at = w->next;
	atomic_fetch_sub(&t->nwatched, 1);
	t->up.watched(t->up.ctx, w, gone);
}

/* A name of it has been deleted. */
static void tell_if_gone(struct trash *t, uint64_t ino)
{
	struct trash_watch **at;

	if (atomic_load(&t->nwatched) == 0)
		return;
	LOCK_SCOPE(&t->lock);
	at = find_watched_locked(t, ino);
	if (*at && has_no_name((*at)->fd))
		tell_watched_locked(t, at, true);
}

static void forget_oldest_locked(struct trash *t)
{
	struct trash_watch **at = &t->watched;

	while ((*at)->next)
		at = &(*at)->next;
	tell_watched_locked(t, at, false);
}

static void forget_watched_locked(struct trash *t, uint64_t ino)
{
	struct trash_watch **at = find_watched_locked(t, ino);

	if (*at)
		tell_watched_locked(t, at, false);
}

int trash_watch(struct trash *t, struct trash_watch *w)
{
	LOCK_SCOPE(&t->lock);
	forget_watched_locked(t, w->ino);
	if (has_no_name(w->fd)) /* what is deleted after this is told of after it */
		return 1;
	if (!t->up.watched)
		return -ECANCELED;
	if (atomic_load(&t->nwatched) == WATCHED_MAX)
		forget_oldest_locked(t);
	w->next = t->watched;
	t->watched = w;
	atomic_fetch_add(&t->nwatched, 1);
	return 0;
}

void trash_unwatch(struct trash *t, uint64_t ino)
{
	if (atomic_load(&t->nwatched) == 0)
		return;
	LOCK_SCOPE(&t->lock);
	forget_watched_locked(t, ino);
}

void trash_set_upcalls(struct trash *t, const struct trash_upcalls *up)
{
	LOCK_SCOPE(&t->lock);
	while (t->watched)
		tell_watched_locked(t, &t->watched, false);
	t->up = up ? *up : (struct trash_upcalls){ 0 };
}

/* ---- deletion ---- */

static int unlink_file(int dirfd, const char *name)
{
	_cleanup_(cleared_done) struct cleared cleared = NOT_CLEARED;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EPERM)
		return -errno;
	cleared = clear_flags(dirfd, name);
	return unlinkat(dirfd, name, 0) == 0 ? 0 : -errno;
}

/* Delete a non-directory. 0, -EISDIR, -errno. */
static int delete_file(struct trash *t, int dirfd, const char *name)
{
	struct handle h;
	struct stat st;
	bool is_file = fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode);
	bool shared = is_file && st.st_nlink > 1 && handle_at(dirfd, name, &h) == 0;
	int r = unlink_file(dirfd, name);

	if (r == 0 && is_file)
		tell_if_gone(t, st.st_ino);
	if (r == 0 && shared) {
		LOCK_SCOPE(&t->lock);
		if (t->up.left)
			t->up.left(t->up.ctx, st.st_ino, &h);
	}
	return r;
}

/* An empty directory is removed, any other moves to the top of the trash to be emptied in its turn. */
static int delete_subdirectory(struct trash *t, int dirfd, const char *name)
{
	_cleanup_(cleared_done) struct cleared cleared = NOT_CLEARED;
	char fresh[NAME_SIZE];
	int r;

	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return 0;
	fresh_name(t, fresh, sizeof(fresh));
	r = move(t, dirfd, name, fresh, &cleared);
	if (r == 0)
		atomic_fetch_add(&t->pending, 1); /* what is in it is not deleted yet */
	return r == -ENOENT ? 0 : r;
}

static int delete_entry(struct trash *t, int dirfd, const struct dirent *d)
{
	int r = d->d_type == DT_DIR ? -EISDIR : delete_file(t, dirfd, d->d_name);

	return r == -EISDIR ? delete_subdirectory(t, dirfd, d->d_name) : r;
}

static void clear_directory(struct trash *t, const char *name)
{
	struct cleared c = clear_flags(t->fd, name);

	cleared_done(&c);
}

/* A directory at the top. Gone already is gone: there may be two that delete. */
static int delete_directory(struct trash *t, const char *name)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	int r = dir_open(t->fd, name, &dir);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((errno = 0, d = readdir(dir)) && !atomic_load(&t->stopping)) {
		if (dir_is_dot(d->d_name))
			continue;
		r = delete_entry(t, dirfd(dir), d);
		if (r == -EPERM) { /* the directory itself is immutable or append-only */
			clear_directory(t, name);
			r = delete_entry(t, dirfd(dir), d);
		}
		if (r < 0)
			return r;
	}
	if (atomic_load(&t->stopping))
		return -ECANCELED;
	if (unlinkat(t->fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno == EPERM)
		clear_directory(t, name);
	return unlinkat(t->fd, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

/* "." and "..", and what trash_take_inode() holds. An earlier process holds nothing any more. */
static bool is_held(const struct trash *t, const char *name)
{
	return dir_is_dot(name) ||
	       (name[0] == '.' && strncmp(name + 1, t->prefix, strlen(t->prefix)) == 0);
}

/*
 * One pass over the trash. Returns the number of entries that went, or -errno; *ret_failed is the last
 * error of what resists, or 0.
 */
static int empty_once(struct trash *t, int *ret_failed)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	int gone = 0;
	int r = dir_open(t->fd, ".", &dir);

	if (r < 0)
		return r;
	*ret_failed = 0;
	while ((errno = 0, d = readdir(dir)) && !atomic_load(&t->stopping)) {
		if (is_held(t, d->d_name))
			continue;
		r = d->d_type == DT_DIR ? -EISDIR : delete_file(t, t->fd, d->d_name);
		if (r == -EISDIR)
			r = delete_directory(t, d->d_name);
		if (r < 0) {
			*ret_failed = r;
			continue;
		}
		gone++;
		atomic_fetch_add(&t->deleted, 1);
		if (atomic_load(&t->pending) > 0)
			atomic_fetch_sub(&t->pending, 1);
	}
	return gone;
}

int trash_empty(struct trash *t)
{
	int failed = 0;
	int r;

	do
		r = empty_once(t, &failed);
	while (r > 0); /* what was moved to the top may not have been seen yet */
	if (r == 0 && failed == 0)
		atomic_store(&t->pending, 0);
	return r < 0 ? r : failed;
}

static void *run(void *arg)
{
	struct trash *t = arg;

	(void)pthread_setname_np(pthread_self(), "trash");
	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS);
	for (;;) {
		int r;

		FAULT_WAIT("trash");
		r = trash_empty(t);

		if (r < 0 && r != -ECANCELED)
			log_debug("trash error=%s retrying with the next release", log_errname(r));
		LOCK_SCOPE(&t->lock);
		while (!t->work && !t->stop)
			lock_wait(&t->lock, &t->wake);
		if (t->stop)
			return NULL;
		t->work = false;
	}
}

int trash_new(int trash_fd, struct trash **ret)
{
	_cleanup_free_ struct trash *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->fd = trash_fd;
	(void)snprintf(t->prefix, sizeof(t->prefix), "%" PRIx64 "-",
		       (uint64_t)clock_ns(CLOCK_REALTIME));
	lock_init(&t->lock, LOCK_TRASH);
	lock_cond_init(&t->wake);
	*ret = TAKE_PTR(t);
	return 0;
}

int trash_start(struct trash *t)
{
	int r = pthread_create(&t->thread, NULL, run, t);

	t->started = r == 0;
	return -r;
}

void trash_stop(struct trash *t)
{
	LOCK_SCOPE(&t->lock);
	t->stop = true;
	atomic_store(&t->stopping, true);
	(void)pthread_cond_signal(&t->wake);
}

void trash_free(struct trash *t)
{
	if (!t)
		return;
	trash_stop(t);
	if (t->started)
		(void)pthread_join(t->thread, NULL);
	(void)pthread_cond_destroy(&t->wake);
	lock_done(&t->lock);
	free(t);
}

uint64_t trash_pending(struct trash *t)
{
	return atomic_load(&t->pending);
}

uint64_t trash_deleted(struct trash *t)
{
	return atomic_load(&t->deleted);
}
