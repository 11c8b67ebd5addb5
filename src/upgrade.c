/* SPDX-License-Identifier: MIT */
/*
 * The guardian's part. The check is a process of its own; whatever the program does in it, the mount goes on.
 */
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "baton/interface.h"
#include "control/ctlnode.h"
#include "description.h"
#include "fuse/itable.h"
#include "fuse/session.h"
#include "takeover/format.h"
#include "takeover/guardian.h"
#include "takeover/urgent.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/log.h"
#include "util/parse.h"
#include "util/printable.h"
#include "util/sdnotify.h"

PRINTF(3, 4) static int fail(struct handover_reason *why, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(why->text, sizeof(why->text), fmt, args);
	va_end(args);
	return err;
}

/* ---- the format, and what a program answers that can go on ---- */

#define ANSWER_MAX 256

static void format(char buf[KEEP_FORMAT_MAX])
{
	uint64_t h = layout_add(layout_begin(), keep_layout());

	h = layout_add(h, guardian_layout());
	h = layout_add(h, session_layout());
	h = layout_add(h, itable_layout());
	h = layout_add(h, ctlnode_layout());
	(void)snprintf(buf, KEEP_FORMAT_MAX, KEEP_FORMAT " %016" PRIx64, h);
}

void upgrade_set_format(struct keep *keep)
{
	char text[KEEP_FORMAT_MAX];

	format(text);
	keep_set_format(keep, text);
}

static uint64_t capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	(void)syscall(SYS_capget, &head, data);
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

/* What is executed has the rights of who executes it, if all is as it should be. */
static void answer(char buf[ANSWER_MAX])
{
	char text[KEEP_FORMAT_MAX];

	format(text);
	(void)snprintf(buf, ANSWER_MAX, "batonfs can take over: %s, capabilities %" PRIx64, text,
		       capabilities());
}

/* ---- the program ---- */

static bool is_running(const char *path)
{
	struct stat a, b;

	return stat(path, &a) == 0 && stat("/proc/self/exe", &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* As it was called: a link that is moved to the next version leads there. */
static bool path_of_call(const char *name, char *buf, size_t len)
{
	_cleanup_free_ char *here = NULL;

	if (!strchr(name, '/'))
		return false; /* found in PATH: its real name will do */
	if (name[0] != '/')
		here = getcwd(NULL, 0);
	if (name[0] != '/' && !here)
		return false;
	(void)snprintf(buf, len, "%s%s%s", here ? here : "", here ? "/" : "", name);
	return is_running(buf);
}

static void path_of_program(char *buf, size_t len)
{
	static const char deleted[] = " (deleted)";
	ssize_t n = readlink("/proc/self/exe", buf, len - 1);
	size_t tail = sizeof(deleted) - 1;

	buf[n < 0 ? 0 : n] = '\0';
	if (n > (ssize_t)tail && access(buf, F_OK) < 0 && strcmp(buf + n - tail, deleted) == 0)
		buf[n - (ssize_t)tail] = '\0';
}

void upgrade_init(struct upgrade *u, struct daemon *d, char **argv)
{
	*u = (struct upgrade){
		.daemon = d, .argv = argv, .http_fd = -1, .fd = -1, .own_fd = -1, .before_fd = -1
	};
	if (!argv[0] || !path_of_call(argv[0], u->path, sizeof(u->path)))
		path_of_program(u->path, sizeof(u->path));
}

static int open_program(const struct upgrade *u, struct handover_reason *why)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (!u->path[0])
		return fail(why, -ENOENT, "the program cannot be found (/proc is not mounted)");
	fd = open(u->path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(why, -errno, "%s: %s", u->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(why, -EACCES, "%s: not a file", u->path);
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || st.st_mode & (S_IWGRP | S_IWOTH))
		return fail(why, -EPERM, "%s: others than root may write to it", u->path);
	return TAKE_FD(fd);
}

/* What is mounted where is the host's business: a memory store has left most of it behind. */
static int open_program_on_host(const struct upgrade *u, struct handover_reason *why)
{
	int fd = store_leave(&u->daemon->store);

	if (fd < 0)
		return fail(why, fd, "cannot go to the host's mounts: %s", strerror(-fd));
	fd = open_program(u, why);
	if (store_enter(&u->daemon->store) < 0)
		log_error("cannot go back to the store, ignoring");
	return fd;
}

/* The service manager waits for READY=1 then. */
static void tell_reload(void)
{
	char text[128];

	(void)snprintf(text, sizeof(text),
		       "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=upgrading",
		       clock_ns(CLOCK_MONOTONIC) / 1000);
	sdnotify(text);
}

/* ---- the check ---- */

/* In a process of its own. Its descriptors are copies. */
NORETURN static void run_check(const struct upgrade *u, int out)
{
	int keep_fd_ = keep_memory_fd(u->daemon->keep);
	char option[64];
	char *const argv[] = { u->argv[0], option, NULL };
	sigset_t none;

	urgent_wait_end(); /* nobody waits for this but who asked for the upgrade */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)snprintf(option, sizeof(option), UPGRADE_CHECK "%d", keep_fd_);
	if (store_leave(&u->daemon->store) == 0 && dup2(out, STDOUT_FILENO) >= 0 &&
	    dup2(out, STDERR_FILENO) >= 0 && fcntl(keep_fd_, F_SETFD, 0) == 0)
		(void)syscall(SYS_execveat, u->fd, "", argv, environ, AT_EMPTY_PATH);
	(void)dprintf(out, "%s\n", strerror(errno));
	_exit(127);
}

/* All that it says until it closes the pipe. 0, -ETIMEDOUT, -EINTR: the worker has died; -errno. */
static int read_answer(int fd, int worker_pidfd, char *buf, size_t len)
{
	int64_t end = clock_ns(CLOCK_MONOTONIC) + UPGRADE_CHECK_NS;
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = worker_pidfd, .events = POLLIN },
	};
	size_t at = 0;

	buf[0] = '\0';
	for (;;) {
		int64_t left = end - clock_ns(CLOCK_MONOTONIC);
		char rest[256];
		ssize_t n;
		bool full = at == len - 1;

		if (left <= 0 || poll(fds, ARRAY_SIZE(fds), (int)(left / NS_PER_MS) + 1) == 0)
			return -ETIMEDOUT;
		if (fds[1].revents)
			return -EINTR;
		n = read(fd, full ? rest : buf + at, full ? sizeof(rest) : len - 1 - at);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		if (n > 0 && !full)
			at += (size_t)n;
		buf[at] = '\0';
	}
}

/* The last line that says something: a sanitizer, or the loader, may say more. */
static const char *last_line(char *text)
{
	char *line = text;

	for (size_t n = strlen(text); n > 0 && text[n - 1] == '\n';)
		text[--n] = '\0';
	if (strrchr(text, '\n'))
		line = strrchr(text, '\n') + 1;
	return printable(line);
}

static int judge(const struct upgrade *u, int status, char *said, struct handover_reason *why)
{
	char wanted[ANSWER_MAX];

	if (WIFSIGNALED(status))
		return fail(why, -ENOEXEC, "%s: it crashes: %s", u->path,
			    strsignal(WTERMSIG(status)));
	answer(wanted);
	if (WEXITSTATUS(status) == 0 && strcmp(last_line(said), wanted) == 0)
		return 0;
	if (WEXITSTATUS(status) == 0)
		return fail(why, -ENOEXEC, "%s: it is no batonfs with the same rights", u->path);
	return fail(why, -ENOEXEC, "%s: %s", u->path, last_line(said));
}

static int ask(const struct upgrade *u, int worker_pidfd, struct handover_reason *why)
{
	_cleanup_close_ int in = -1;
	char said[1024];
	int fds[2];
	int status;
	pid_t pid;
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail(why, -errno, "no pipe: %s", strerror(errno));
	in = fds[0];
	pid = fork();
	if (pid == 0)
		run_check(u, fds[1]);
	(void)close(fds[1]);
	if (pid < 0)
		return fail(why, -errno, "no process: %s", strerror(errno));
	r = read_answer(in, worker_pidfd, said, sizeof(said));
	if (r < 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return fail(why, r, "%s: it does not answer", u->path);
	return judge(u, status, said, why);
}

/* For the next one to go back to; the one before is not any more. */
static void keep_own(struct upgrade *u)
{
	if (u->own_fd < 0)
		u->own_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	keep_fd(u->own_fd);
	keep_fd_drop(u->before_fd);
	u->before_fd = safe_close(u->before_fd);
}

/* Kept as long as it is open: others than what is kept are closed whenever a worker dies. */
static void drop_program(struct upgrade *u)
{
	keep_fd_drop(u->fd);
	u->fd = safe_close(u->fd);
}

static int check_program(struct upgrade *u, int worker_pidfd, struct handover_reason *why)
{
	int r;

	if (prctl(PR_GET_SECUREBITS) & SECURE_NOROOT)
		return fail(why, -EPERM,
			    "what is executed would have no rights (secure bit noroot)");
	u->fd = open_program_on_host(u, why);
	if (u->fd < 0)
		return u->fd;
	keep_fd(u->fd);
	keep_own(u);
	r = description_write(u, 0);
	if (r < 0)
		return fail(why, r, "cannot describe the mount: %s", strerror(-r));
	return ask(u, worker_pidfd, why);
}

int upgrade_check(struct upgrade *u, int worker_pidfd, struct handover_reason *why)
{
	int r;

	drop_program(u);
	r = check_program(u, worker_pidfd, why);
	if (r < 0)
		drop_program(u);
	else
		tell_reload();
	return r;
}

/* ---- the end of this program ---- */

/* As before, and the option before all others; `ps` shows it. NULL: out of memory. */
static char **arguments(const struct upgrade *u, char *option)
{
	size_t from = upgrade_is_wanted(u->argv) ? 2 : 1;
	size_t n = from;
	size_t to = 0;
	char **argv;

	while (u->argv[n])
		n++;
	argv = calloc(n + 2, sizeof(*argv));
	if (!argv)
		return NULL;
	argv[to++] = u->argv[0];
	argv[to++] = option;
	for (size_t i = from; i < n; i++)
		argv[to++] = u->argv[i];
	return argv;
}

/* Returns only if that fails. */
static void execute(struct upgrade *u, int fd, unsigned int generation, struct handover_reason *why)
{
	_cleanup_free_ char **argv = NULL;
	char option[64];
	int r = description_write(u, generation); /* nobody else can have changed it now */

	(void)snprintf(option, sizeof(option), UPGRADE_TAKE_OVER "%d",
		       keep_memory_fd(u->daemon->keep));
	argv = arguments(u, option);
	if (r == 0)
		r = argv ? store_leave(&u->daemon->store) : -ENOMEM;
	if (r == 0) {
		(void)syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
		r = -errno;
		(void)!store_enter(&u->daemon->store);
	}
	(void)fail(why, r, "%s: %s", u->path, strerror(-r));
}

void upgrade_replace(struct upgrade *u, unsigned int generation, struct handover_reason *why)
{
	u->back = false;
	keep_fd_drop(u->fd); /* not the next one's */
	(void)fcntl(u->fd, F_SETFD, FD_CLOEXEC);
	execute(u, u->fd, generation, why);
	drop_program(u);
	sdnotify("READY=1\nSTATUS=mounted");
}

void upgrade_go_back(struct upgrade *u, unsigned int generation, struct handover_reason *why)
{
	keep_fd_drop(u->before_fd);
	(void)fcntl(u->before_fd, F_SETFD, FD_CLOEXEC);
	log_warning("going back to the program before version=%s", u->before);
	u->back = true;
	execute(u, u->before_fd, generation - 1, why); /* its own, that had left, has not */
	u->before_fd = safe_close(u->before_fd);
}

/* ---- the next program ---- */

static bool is_option(char **argv, const char *option)
{
	return argv[0] && argv[1] && strncmp(argv[1], option, strlen(option)) == 0;
}

bool upgrade_is_wanted(char **argv)
{
	return is_option(argv, UPGRADE_TAKE_OVER);
}

/* The keep and the description, from the descriptor that the option names. */
static int read_kept(struct upgrade *u, const char *option, unsigned int *ret_generation,
		     struct handover_reason *why)
{
	char ours[KEEP_FORMAT_MAX];
	char theirs[KEEP_FORMAT_MAX];
	uint64_t fd;
	int r = parse_u64(u->argv[1] + strlen(option), &fd);

	if (r < 0 || fd > INT_MAX)
		return fail(why, -EINVAL, "%s: not a descriptor", u->argv[1]);
	format(ours);
	r = keep_attach((int)fd, ours, theirs, &u->daemon->keep);
	if (r == -EPROTONOSUPPORT)
		return fail(why, r,
			    "it cannot go on with what this batonfs leaves (%s, its own is %s); "
			    "unmount and mount anew",
			    theirs, ours);
	if (r < 0)
		return fail(why, r, "%s: this is for batonfs itself: %s", u->argv[1], strerror(-r));
	return description_read(u, ret_generation, why);
}

int upgrade_answer_check(char **argv)
{
	struct daemon d = DAEMON_NONE;
	struct upgrade u = { .daemon = &d, .argv = argv, .fd = -1, .own_fd = -1, .before_fd = -1 };
	struct handover_reason why;
	unsigned int generation;
	char text[ANSWER_MAX];
	int r;

	if (!is_option(argv, UPGRADE_CHECK))
		return -1;
	FAULT_WAIT("check");
	r = read_kept(&u, UPGRADE_CHECK, &generation, &why);
	answer(text);
	if (r < 0)
		fprintf(stderr, "%s\n", why.text);
	else
		printf("%s\n", text);
	keep_free(d.keep);
	free(d.store.path);
	free(d.spill.path);
	free(d.mountpoint);
	return r == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Executed by its descriptor, it would be called as that. */
static void take_name(const char *name)
{
	const char *slash = strrchr(name, '/');

	(void)prctl(PR_SET_NAME, slash ? slash + 1 : name, 0, 0, 0);
}

int upgrade_take_over(struct upgrade *u, unsigned int *ret_generation)
{
	struct daemon *d = u->daemon;
	struct handover_reason why;
	int r;

	take_name(u->argv[0]);
	r = read_kept(u, UPGRADE_TAKE_OVER, ret_generation, &why);
	if (r < 0) {
		log_error("%s", why.text);
		return r;
	}
	r = keep_fds_over_exec(false);
	if (r == 0)
		r = daemon_adopt(d);
	if (r < 0)
		log_error("cannot go on with the mount: %s", strerror(-r));
	else
		log_notice("%s mountpoint=%s version=%s before=%s",
			   u->back ? "back again" : "upgraded", d->mountpoint, BATON_VERSION,
			   u->before);
	return r;
}
