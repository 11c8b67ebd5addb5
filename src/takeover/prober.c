/* SPDX-License-Identifier: MIT */
/*
 * Parent and process have a socket each; a byte each way, and its end, are all that is said there.
 */
#include "takeover/prober.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "takeover/urgent.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/mounttab.h"

/*
 * How long its parent waits until it has what it needs of the filesystem. Source: a millisecond. On a busy machine it may take
 * longer, and as long as the worker that should answer it dies or leaves: its parent is who starts the next one.
 */
#define BEGIN_MS 20

/* Of the socket, in the process: the first that is none of the standard ones. */
#define SOCKET_FD (STDERR_FILENO + 1)

struct asker {
	struct prober_counts *counts;
	const struct prober_plan *plan;
	int mounts_fd; /* the table of mounts */
	dev_t device;  /* of the filesystem */
};

/* ---- the process ---- */

static int keep_one(int fd)
{
	int null;

	if (fd != SOCKET_FD && dup3(fd, SOCKET_FD, O_CLOEXEC) < 0)
		return -errno;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i <= STDERR_FILENO; i++) { /* somebody may wait for their end */
		if (null < 0 || dup2(null, i) < 0)
			return -errno;
	}
	return close_range(SOCKET_FD + 1, ~0U, 0) < 0 ? -errno : 0;
}

/* A mount of its own: a path through the one that users see would keep that busy. */
static int clone_mount(struct asker *a)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE };
	struct stat st;
	int fd;

	/* First: it tells of what changes from now on, and the mount may go at any time. */
	a->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (a->mounts_fd < 0)
		return -errno;
	fd = (int)syscall(SYS_open_tree, AT_FDCWD, a->plan->directory,
			  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0 || syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    fstat(fd, &st) < 0 || fchdir(fd) < 0 || chroot(".") < 0)
		return -errno;
	a->device = st.st_dev;
	(void)close(fd);
	return 0;
}

/* A clone keeps the filesystem alive. */
static bool is_gone(const struct asker *a)
{
	return !mounttab_fd_has_device(a->mounts_fd, major(a->device), minor(a->device));
}

static void ask_on(const struct asker *a)
{
	int every_ms = (int)(a->plan->every_ns / NS_PER_MS);
	struct pollfd fds[] = {
		{ .fd = SOCKET_FD, .events = POLLIN },
		{ .fd = a->mounts_fd, .events = POLLPRI },
	};
	int64_t next = clock_mono_ns();
	int64_t left;

	do {
		left = next - clock_mono_ns();
		if (left <= 0) {
			atomic_fetch_add(&a->counts->begun, 1);
			if (getxattr(".", PROBER_XATTR, NULL, 0) < 0 && errno != ENODATA)
				return; /* the connection has ended */
			atomic_fetch_add(&a->counts->answered, 1);
			next = clock_mono_ns() + every_ms * NS_PER_MS;
			left = next - clock_mono_ns();
		}
		(void)poll(fds, ARRAY_SIZE(fds), (int)(left / NS_PER_MS) + 1);
	} while (!fds[0].revents && !(fds[1].revents && is_gone(a)));
}

NORETURN static void run(struct prober_counts *counts, const struct prober_plan *plan, int fd)
{
	const struct rlimit none = { 0, 0 };
	struct asker a = { .counts = counts, .plan = plan };
	char byte;
	int r;

	urgent_begin(); /* its parent waits, for whom others may */
	(void)prctl(PR_SET_NAME, "batonfs-probe");
	(void)setrlimit(RLIMIT_CORE, &none);
	if (plan->enter_host(plan->ctx) < 0 || keep_one(fd) < 0 ||
	    read(SOCKET_FD, &byte, 1) != 1) /* it could not be mounted */
		_exit(EXIT_FAILURE);
	atomic_fetch_add(&counts->begun, 1); /* this is answered by nobody else, either */
	if (clone_mount(&a) < 0)
		_exit(EXIT_FAILURE);
	atomic_fetch_add(&counts->answered, 1);
	(void)setsid(); /* not before: an automount may be being made, see main.c */
	r = plan->become_nobody();
	if ((r < 0 && r != -EPERM) || write(SOCKET_FD, "", 1) != 1)
		_exit(EXIT_FAILURE);
	urgent_wait_end();
	ask_on(&a);
	_exit(EXIT_SUCCESS);
}

/* ---- its parent ---- */

static int map_counts(struct prober *p)
{
	void *counts = mmap(NULL, sizeof(*p->counts), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (counts == MAP_FAILED)
		return -ENOMEM;
	p->counts = counts;
	return 0;
}

int prober_begin(struct prober *p, const struct prober_plan *plan)
{
	int r = p->counts ? 0 : map_counts(p);
	int fds[2];
	pid_t pid;

	if (r < 0)
		return r;
	atomic_store(&p->counts->begun,
		     atomic_load(&p->counts->answered)); /* one may have ended waiting */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		run(p->counts, plan, fds[1]);
	r = pid < 0 ? -errno : 0;
	(void)close(fds[1]);
	if (r < 0)
		(void)close(fds[0]);
	else
		p->fd = fds[0];
	return r;
}

int prober_serve(struct prober *p)
{
	struct pollfd fd = { .fd = p->fd, .events = POLLIN };
	char byte;
	int r;

	if (send(p->fd, "", 1, MSG_NOSIGNAL) != 1)
		return -errno;
	do
		r = poll(&fd, 1, BEGIN_MS);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return 0; /* it is still at it; if it fails it ends */
	return read(p->fd, &byte, 1) == 1 ? 0 : -EPIPE;
}

bool prober_has_ended(const struct prober *p)
{
	struct pollfd fd = { .fd = p->fd, .events = POLLIN };

	return p->fd < 0 || (poll(&fd, 1, 0) > 0 && fd.revents & POLLHUP);
}

void prober_end(struct prober *p)
{
	p->fd = safe_close(p->fd);
}
