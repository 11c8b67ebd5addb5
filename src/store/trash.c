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
#include "util/lock.h"
#include "util/log.h"

/* Niceness of the deleting thread. Source: the lowest that still gets a share on a busy machine. */
#define NICENESS 15

struct trash {
	int fd;	       /* borrowed, constant */
	uint64_t boot; /* constant: makes names unique across processes */
	pthread_t thread;

	struct lock lock;    /* rank LOCK_TRASH */
	pthread_cond_t wake; /* trash.lock */
	bool work;	     /* trash.lock: something was taken since the thread last looked */
	bool stop;	     /* trash.lock */

	_Atomic uint64_t serial;
	_Atomic uint64_t pending;
	_Atomic bool stopping; /* the same as stop, read inside the deletion loop */
};

static void fresh_name(struct trash *t, char *buf, size_t len)
{
	(void)snprintf(buf, len, "%" PRIx64 "-%" PRIx64, t->boot, atomic_fetch_add(&t->serial, 1));
}

static void wake(struct trash *t)
{
	atomic_fetch_add(&t->pending, 1);
	LOCK_SCOPE(&t->lock);
	t->work = true;
	(void)pthread_cond_signal(&t->wake);
}

int trash_take(struct trash *t, int dirfd, const char *name)
{
	char fresh[48];

	fresh_name(t, fresh, sizeof(fresh));
	if (renameat(dirfd, name, t->fd, fresh) < 0)
		return -errno;
	wake(t);
	return 0;
}

/*
 * Nothing but a rename takes exactly what is there; so it is taken first, looked at, and put back if it is
 * something else. The name with the leading dot keeps the worker's hands off meanwhile.
 */
int trash_take_inode(struct trash *t, int dirfd, const char *name, uint64_t ino)
{
	char held[48] = ".";
	struct stat st;

	fresh_name(t, held + 1, sizeof(held) - 1);
	if (renameat(dirfd, name, t->fd, held) < 0)
		return -errno;
	if (fstatat(t->fd, held, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != ino) {
		if (renameat2(t->fd, held, dirfd, name, RENAME_NOREPLACE) < 0)
			return -errno; /* somebody took the name: what was under it is in the trash now */
		return -ESTALE;
	}
	if (renameat(t->fd, held, t->fd, held + 1) < 0)
		return -errno;
	wake(t);
	return 0;
}

/* A file that somebody made immutable or append-only goes like any other. */
static void clear_flags(int dirfd, const char *name)
{
	_cleanup_close_ int fd =
		openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	int flags;

	if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags); /* what remains impossible fails below */
	}
}

/* Delete a non-directory. 0, -EISDIR, -errno. */
static int delete_file(int dirfd, const char *name)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EPERM)
		return -errno;
	clear_flags(dirfd, name);
	return unlinkat(dirfd, name, 0) == 0 ? 0 : -errno;
}

/* An empty directory is removed, any other moves to the top of the trash to be emptied in its turn. */
static int delete_subdirectory(struct trash *t, int dirfd, const char *name)
{
	char fresh[48];

	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno == EPERM)
		clear_flags(dirfd, name);
	fresh_name(t, fresh, sizeof(fresh));
	return renameat(dirfd, name, t->fd, fresh) < 0 ? -errno : 0;
}

/* "." and "..", and at the top what trash_take_inode() holds. */
static bool is_dot(const char *name, bool top)
{
	return name[0] == '.' && (top || !name[1] || (name[1] == '.' && !name[2]));
}

static int open_dir(int dirfd, const char *name, DIR **ret)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret = fdopendir(fd);
	if (!*ret) {
		(void)safe_close(fd);
		return -ENOMEM;
	}
	return 0;
}

static int delete_directory(struct trash *t, const char *name)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	int r = open_dir(t->fd, name, &dir);

	if (r < 0)
		return r;
	while ((errno = 0, d = readdir(dir)) && !atomic_load(&t->stopping)) {
		if (is_dot(d->d_name, false))
			continue;
		r = d->d_type == DT_DIR ? -EISDIR : delete_file(dirfd(dir), d->d_name);
		if (r == -EISDIR)
			r = delete_subdirectory(t, dirfd(dir), d->d_name);
		if (r == -EPERM) {
			clear_flags(t->fd, name);
			r = delete_file(dirfd(dir), d->d_name);
		}
		if (r < 0)
			return r;
	}
	if (atomic_load(&t->stopping))
		return -ECANCELED;
	return unlinkat(t->fd, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

/* One pass over the trash. Returns the number of entries found, -errno of the first that resists. */
static int empty_once(struct trash *t)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	int failed = 0;
	int found = 0;
	int r = open_dir(t->fd, ".", &dir);

	if (r < 0)
		return r;
	while ((errno = 0, d = readdir(dir)) && !atomic_load(&t->stopping)) {
		if (is_dot(d->d_name, true))
			continue;
		r = d->d_type == DT_DIR ? -EISDIR : delete_file(t->fd, d->d_name);
		if (r == -EISDIR)
			r = delete_directory(t, d->d_name);
		if (r < 0) {
			failed = r;
			continue;
		}
		found++;
		if (atomic_load(&t->pending) > 0)
			atomic_fetch_sub(&t->pending, 1);
	}
	return failed ? failed : found;
}

int trash_empty(struct trash *t)
{
	int r;

	do
		r = empty_once(t);
	while (r > 0);
	if (r == 0)
		atomic_store(&t->pending, 0);
	return r;
}

static void *run(void *arg)
{
	struct trash *t = arg;

	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS);
	for (;;) {
		int r = trash_empty(t);

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
	int r;

	if (!t)
		return -ENOMEM;
	t->fd = trash_fd;
	t->boot = (uint64_t)clock_ns(CLOCK_REALTIME);
	lock_init(&t->lock, LOCK_TRASH);
	lock_cond_init(&t->wake);
	r = pthread_create(&t->thread, NULL, run, t);
	if (r)
		return -r;
	*ret = TAKE_PTR(t);
	return 0;
}

void trash_free(struct trash *t)
{
	if (!t)
		return;
	{
		LOCK_SCOPE(&t->lock);
		t->stop = true;
		atomic_store(&t->stopping, true);
		(void)pthread_cond_signal(&t->wake);
	}
	(void)pthread_join(t->thread, NULL);
	(void)pthread_cond_destroy(&t->wake);
	lock_done(&t->lock);
	free(t);
}

uint64_t trash_pending(struct trash *t)
{
	return atomic_load(&t->pending);
}
