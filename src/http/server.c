/* SPDX-License-Identifier: MIT */
/*
 * Three threads: libmicrohttpd's answers; one reads the mount for it (http/mount_reader.h); this one waits for the end, and
 * ends connections that take too long.
 */
#include "http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "baton/interface.h"
#include "http/answer.h"
#include "http/conns.h"
#include "http/mhd.h"
#include "http/mount_reader.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/mounttab.h"

/* Descriptors: connections, and some. */
#define FILES_MAX 128

/* Whoever waits for the mount comes first. */
#define NICENESS 5

struct server {
	int parent_fd; /* owned */
	int mounts_fd; /* owned; the table of mounts */
	dev_t device;  /* of the mount */
};

static int fail(const char *what)
{
	int err = -errno;

	log_warning("metrics over HTTP: %s: %s", what, strerror(-err));
	return err;
}

/* The parent hears what is wrong with it, or an empty text. */
static void load(int parent_fd)
{
	const char *wrong = mhd_load();
	const char *text = wrong ? wrong : "";

	if (write(parent_fd, text, strlen(text) + 1) < 0 || wrong)
		_exit(EXIT_FAILURE);
}

/* What else is open is the daemon's, or of who has started it. */
static void keep_two(int *a, int *b)
{
	int low = fcntl(*a, F_DUPFD_CLOEXEC, 10);
	int high = fcntl(*b, F_DUPFD_CLOEXEC, 10);

	if (low < 0 || high < 0)
		_exit(EXIT_FAILURE);
	/* Descriptors are closed in their order: so the parent hears of the end when the address is free. */
	*a = dup3(low, STDERR_FILENO + 1, O_CLOEXEC);
	*b = dup3(high, STDERR_FILENO + 2, O_CLOEXEC);
	if (*a < 0 || *b < 0 || close_range(STDERR_FILENO + 3, ~0U, 0) < 0)
		_exit(EXIT_FAILURE);
}

/* Of the daemon's and this one the kernel is to take this one, when memory is short. */
static void offer_to_oom_killer(void)
{
	_cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, "500", 3);
}

/*
 * .baton as a mount of its own, which cannot be written to. By path, which can be had only where and while it is mounted.
 */
static int clone_mount(struct server *s, const char *mountpoint)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			    MOUNT_ATTR_NOEXEC,
		.propagation = MS_PRIVATE,
	};
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	struct statfs fs;
	struct stat st;

	/* First: it tells of what changes from now on, and the mount may go at any time. */
	s->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (s->mounts_fd < 0 || asprintf(&path, "%s/" BATON_DIR, mountpoint) < 0)
		return fail("cannot look at the table of mounts");
	fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0 || syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return fail("cannot have a mount of its own");
	if (fstatfs(fd, &fs) < 0 || fs.f_type != FUSE_SUPER_MAGIC || fstat(fd, &st) < 0)
		return fail("what is mounted does not answer");
	s->device = st.st_dev;
	if (fchdir(fd) < 0 || chroot(".") < 0)
		return fail("cannot enter it");
	return 0;
}

static int confine(const struct http_upcalls *up)
{
	const struct rlimit files = { FILES_MAX, FILES_MAX };
	const struct rlimit none = { 0, 0 };
	int r;

	(void)setpriority(PRIO_PROCESS, 0, NICENESS);
	(void)setrlimit(RLIMIT_NOFILE, &files);
	(void)setrlimit(RLIMIT_CORE, &none);
	r = up->become_nobody();
	errno = -r;
	return r < 0 ? fail("cannot become nobody") : 0;
}

static void quiet(void *cls, const char *fmt, va_list args)
{
	(void)cls;
	(void)fmt;
	(void)args;
}

static int listen_for(int listen_fd, struct answers *a)
{
	unsigned int flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ERROR_LOG;

	if (!mhd.start_daemon(flags, 0, NULL, NULL, answer, a, MHD_OPTION_EXTERNAL_LOGGER, quiet,
			      NULL, MHD_OPTION_LISTEN_SOCKET, listen_fd,
			      MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNS_LIMIT,
			      MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)CONNS_IDLE_S,
			      MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNS_MEMORY,
			      MHD_OPTION_NOTIFY_CONNECTION, conns_notify, a->conns,
			      MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END))
		return fail("cannot be served");
	return 0;
}

static int serve(int listen_fd, struct answers *a, const struct http_upcalls *up)
{
	int r = conns_new(&a->conns);

	if (r == 0)
		r = mount_reader_new(&a->reader);
	if (r == 0)
		r = listen_for(listen_fd, a);
	if (r < 0)
		return r;
	r = up->give_up_calls();
	errno = -r;
	return r < 0 && r != -EOPNOTSUPP ? fail("cannot give up system calls") : 0;
}

/* Until the mount is gone, or the parent, or it says so. */
static void wait_for_end(const struct server *s, struct conns *conns)
{
	struct pollfd fds[] = {
		{ .fd = s->parent_fd, .events = POLLIN },
		{ .fd = s->mounts_fd, .events = POLLPRI },
		{ .fd = conns_fd(conns), .events = POLLIN },
	};

	while (!fds[0].revents) {
		if (poll(fds, ARRAY_SIZE(fds), conns_next_ms(conns)) < 0)
			continue;
		if (fds[1].revents &&
		    !mounttab_fd_has_device(s->mounts_fd, major(s->device), minor(s->device)))
			return;
	}
}

void server_run(int listen_fd, int parent_fd, bool loopback, const struct http_upcalls *up)
{
	static char order[SERVER_ORDER_MAX];
	struct answers answers = { .loopback = loopback };
	struct server s = { .mounts_fd = -1 };

	(void)prctl(PR_SET_NAME, "batonfs-http");
	keep_two(&listen_fd, &parent_fd);
	s.parent_fd = parent_fd;
	load(parent_fd);
	if (read(parent_fd, order, sizeof(order) - 1) <= 1 || order[1] != '/')
		_exit(EXIT_SUCCESS); /* the daemon could not mount */
	if (order[0] == SERVER_BACKGROUND)
		log_leave_terminal(); /* there is no /dev/null later */
	offer_to_oom_killer();
	if (clone_mount(&s, order + 1) < 0)
		_exit(EXIT_FAILURE);
	if (order[0] == SERVER_BACKGROUND)
		(void)setsid(); /* not before: an automount may be being made, see main.c */
	if (confine(up) < 0 || serve(listen_fd, &answers, up) < 0)
		_exit(EXIT_FAILURE);
	(void)!write(parent_fd, "", 1);
	wait_for_end(&s, answers.conns);
	_exit(EXIT_SUCCESS);
}
