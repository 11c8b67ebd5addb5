/* SPDX-License-Identifier: MIT */
/*
 * The session. Threads of our own instead of libfuse's loop: a fixed number, each with its buffer and its
 * identity (store/cred.h) for life, woken by a signal when the session ends.
 */
#include "fuse/session.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fuse/access.h"
#include "fuse/beside.h"
#include "fuse/fs.h"
#include "fuse/mount_id.h"
#include "fuse/readers.h"
#include "fuse/refresh.h"
#include "fuse/spin.h"
#include "fuse/takeover.h"
#include "fuse/untold.h"
#include "takeover/format.h"
#include "takeover/guardian.h"
#include "takeover/urgent.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/fault.h"
#include "util/lock.h"
#include "util/log.h"

/* Interrupts a thread's read of /dev/fuse; its handler does nothing. */
#define WAKE_SIGNAL SIGUSR1

/* How long a thread may take to end once woken, before it is woken again: it may have been about to read just then. */
#define WAKE_AGAIN_NS (2 * NS_PER_MS)

/*
 * How long the notifier may take before another process goes on, which tells the kernel what is left. Source: many times
 * what an answer takes.
 */
#define SETTLE_NS NS_PER_S

/*
 * Read ahead of whoever reads a file through the daemon, KiB. Source: two requests of the largest size, so that one
 * is answered while the other is read.
 */
#define READ_AHEAD_KB "2048"

struct thread {
	struct session *session; /* borrowed */
	unsigned int number;
	pthread_t pthread;
	struct spin spin;
};

/* umount -f ends the connection first and unmounts then: how often, and after what time, to look again. */
#define FORCED_TRIES 50
#define FORCED_POLL_NS (20 * NS_PER_MS)

/* What the next process must know of the connection: KEEP_SESSION. */
struct kept {
	uint32_t init_len; /* bytes of `init`; written last, 0: there is no connection */
	int32_t device_fd;
	int32_t read_ahead_fd;
	struct mount_id mount_id;
	char mountpoint[PATH_MAX];
	uint8_t init[4096]; /* the kernel's first message. Source: 104 bytes in Linux 6.18 */
};

struct session {
	struct kept *kept;	   /* the keep's */
	struct requests *requests; /* owned */
	struct backlog *backlog;   /* owned; what is sent again. NULL: nothing was taken over */
	bool attached;
	int read_ahead_fd;		 /* owned; the mount's read_ahead_kb in sysfs, or -1 */
	struct fs *fs;			 /* borrowed */
	struct fuse_session *se;	 /* owned */
	char *mountpoint;		 /* owned */
	struct readers *readers;	 /* owned */
	_Atomic(struct beside *) beside; /* owned; NULL: it may not be, or not yet */
	struct thread *threads;		 /* owned */
	unsigned int nthreads;		 /* wanted */
	unsigned int started;
	struct mount_id mount_id;
	bool mounted;
	void (*on_end)(void *arg);
	void *arg;
	_Atomic bool ended;
	_Atomic bool gone;   /* the kernel has ended the connection: unmounted, or aborted */
	_Atomic bool broken; /* a thread could not read: perhaps nobody does any more */
};

static void nothing(int signo)
{
	(void)signo;
}

/* libfuse speaks of what it cannot do; the result says it, too. */
PRINTF(2, 0) static void log_libfuse(enum fuse_log_level level, const char *fmt, va_list args)
{
	char line[512];

	(void)level;
	if (!log_enabled(LOG_LEVEL_DEBUG))
		return;
	(void)vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("libfuse: %s", line);
}

/* Commas and backslashes would end the option. */
static void escape(const char *from, char *to, size_t len)
{
	size_t at = 0;

	for (; *from && at + 2 < len; from++) {
		if (*from == ',' || *from == '\\')
			to[at++] = '\\';
		to[at++] = *from;
	}
	to[at] = '\0';
}

static int make_session(struct session *s, const struct session_config *c)
{
	const struct fuse_lowlevel_ops ops = fs_ops(s->fs);
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	char source[512];
	char options[1024];
	int n;

	escape(c->source, source, sizeof(source));
	n = snprintf(options, sizeof(options),
		     "allow_other,default_permissions,subtype=batonfs,fsname=%s%s%s", source,
		     c->options[0] ? "," : "", c->options);

	if (n < 0 || (size_t)n >= sizeof(options))
		return -EINVAL;
	if (fuse_opt_add_arg(&args, "batonfs") || fuse_opt_add_arg(&args, "-o") ||
	    fuse_opt_add_arg(&args, options) || (c->debug && fuse_opt_add_arg(&args, "-d"))) {
		fuse_opt_free_args(&args);
		return -ENOMEM;
	}
	s->se = fuse_session_new(&args, &ops, sizeof(ops), s->fs);
	fuse_opt_free_args(&args);
	return s->se ? 0 : -EINVAL;
}

/*
 * How far the kernel reads ahead is not for INIT to raise, only to lower, so it is said in sysfs. Opened where the
 * mount is, as the daemon may not see /sys from where it is later; written after INIT.
 */
static int open_read_ahead(const char *mountpoint)
{
	char path[64];
	struct statx stx;

	if (statx(AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0)
		return -1; /* without it reading is slower */
	(void)snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", stx.stx_dev_major,
		       stx.stx_dev_minor);
	return open(path, O_WRONLY | O_CLOEXEC);
}

static int new_session(const struct session_config *c, struct fs *fs, struct session **ret)
{
	_cleanup_(session_freep) struct session *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->fs = fs;
	s->kept = keep_area(c->keep, KEEP_SESSION);
	s->read_ahead_fd = -1;
	s->nthreads = c->threads;
	s->mountpoint = strdup(c->mountpoint);
	s->threads = calloc(c->threads, sizeof(*s->threads));
	if (!s->mountpoint || !s->threads)
		return -ENOMEM;
	r = readers_new(c->threads, &s->readers);
	if (r == 0)
		r = requests_new(c->keep, &s->requests);
	if (r < 0)
		return r;
	fuse_set_log_func(log_libfuse);
	r = make_session(s, c);
	if (r == 0)
		*ret = TAKE_PTR(s);
	return r;
}

static void connected(struct session *s)
{
	s->mounted = true;
	s->fs->session = s->se;
	notify_set_session(s->fs->notify, s->se);
	backing_set_device(s->fs->backing, fuse_session_fd(s->se));
}

int session_mount(const struct session_config *c, struct fs *fs, struct session **ret)
{
	_cleanup_(session_freep) struct session *s = NULL;
	int r = new_session(c, fs, &s);

	if (r < 0)
		return r;
	errno = 0;
	if (fuse_session_mount(s->se, c->mountpoint) != 0)
		return errno ? -errno : -EIO;
	r = mount_id_read(s->mountpoint, &s->mount_id);
	if (r < 0) {
		(void)umount2(s->mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW);
		return r;
	}
	s->read_ahead_fd = open_read_ahead(s->mountpoint);
	connected(s);
	*ret = TAKE_PTR(s);
	return 0;
}

int session_attach(const struct session_config *c, struct fs *fs, struct session **ret)
{
	_cleanup_(session_freep) struct session *s = NULL;
	int r = new_session(c, fs, &s);
	char device[32];

	if (r < 0)
		return r;
	if (!s->kept->init_len)
		return -ENODATA;
	(void)snprintf(device, sizeof(device), "/dev/fd/%d", s->kept->device_fd);
	if (fuse_session_mount(s->se, device) != 0)
		return -EIO;
	s->mount_id = s->kept->mount_id;
	s->read_ahead_fd = s->kept->read_ahead_fd;
	s->attached = true;
	connected(s);
	*ret = TAKE_PTR(s);
	return 0;
}

/* The connection's first message, for the next process. */
static void keep_connection(struct session *s, const struct fuse_buf *buf)
{
	struct kept *k = s->kept;

	if (buf->size > sizeof(k->init) || strlen(s->mountpoint) >= sizeof(k->mountpoint))
		return; /* it can then not be taken over, which is said later */
	k->device_fd = fuse_session_fd(s->se);
	k->read_ahead_fd = s->read_ahead_fd;
	k->mount_id = s->mount_id;
	memcpy(k->init, buf->mem, buf->size);
	memcpy(k->mountpoint, s->mountpoint, strlen(s->mountpoint) + 1);
	keep_fd(k->device_fd);
	keep_fd(k->read_ahead_fd);
	request_fence();
	k->init_len = (uint32_t)buf->size;
}

bool session_can_be_attached(const struct session *s)
{
	return s->kept->init_len > 0 && resume_is_possible(s->kept->init, s->kept->init_len);
}

void session_abandon(struct keep *keep)
{
	const struct kept *k = keep_area(keep, KEEP_SESSION);
	struct mount_id now;

	if (!k->init_len || mount_id_read(k->mountpoint, &now) < 0 || now.id != k->mount_id.id)
		return;
	(void)umount2(k->mountpoint, MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW);
}

static void end(struct session *s)
{
	if (!atomic_exchange(&s->ended, true) && s->on_end)
		s->on_end(s->arg);
}

/* 0, 1 at the end, -errno. */
static int receive(struct session *s, struct fuse_buf *buf)
{
	int n = fuse_session_receive_buf(s->se, buf);

	if (n > 0)
		return 0;
	/* ECONNABORTED: it ended while a request was on its way to us. */
	if (n == 0 || n == -ENODEV || n == -ECONNABORTED) {
		atomic_store(&s->gone, true);
		return 1;
	}
	return n;
}

static void process(struct session *s, struct thread *t, const struct fuse_buf *buf, int64_t asked)
{
	int64_t took;

	access_begin(s->fs, buf->mem, buf->size);
	readers_begin(s->readers, t->number, asked);
	fs_op_now = FS_OP_MAX_; /* what libfuse answers itself is none */
	fuse_session_process_buf(s->se, buf);
	took = readers_end(s->readers, t->number);
	if (fs_op_now == FS_OP_MAX_)
		return;
	latency_add(s->fs->latency, t->number, fs_op_now, (uint64_t)took);
	access_end(s->fs, took);
}

/* The first reader, if it is the only one: as close to its client as it may be. */
static bool is_beside(const struct session *s, const struct thread *t)
{
	const struct beside *b = t->number == 0 ? atomic_load(&s->beside) : NULL;

	return b && beside_is_on(b);
}

/*
 * One that only this thread reads. That a request of one client at a time was found waiting says nothing: no more readers
 * for that.
 */
static void serve_beside(struct session *s, struct thread *t, const struct fuse_buf *buf,
			 int64_t asked)
{
	const struct fuse_in_header *in = buf->mem;
	struct beside *b = t->number == 0 ? atomic_load(&s->beside) : NULL;

	if (b)
		beside_began(b, (pid_t)in->pid, asked, readers_wanted(s->readers) == 1);
	process(s, t, buf, b && beside_has_one_client(b) ? 0 : asked);
	if (b)
		beside_ended(b);
}

/* One request. 0 to go on, 1 at the end, -errno. */
static int serve_one(struct session *s, struct thread *t, struct fuse_buf *buf)
{
	int64_t asked = clock_mono_ns();
	int r;

	requests_ready(s->requests, t->number);
	guardian_settled(s->fs->config.keep);
	if (readers_wanted(s->readers) == 1 && !is_beside(s, t))
		spin_wait(&t->spin, fuse_session_fd(s->se));
	r = receive(s, buf);
	if (r == -EINTR || r == -EAGAIN)
		return 0;
	if (r == 0)
		serve_beside(s, t, buf, asked);
	requests_done(s->requests, t->number);
	return r;
}

/* What the last process was asked and did not answer. False: there is no more. */
static bool serve_again(struct session *s, struct thread *t, struct fuse_buf *buf)
{
	uint64_t unique;

	if (!s->backlog)
		return false;
	requests_ready(s->requests, t->number);
	if (!backlog_take(s->backlog, buf, &unique))
		return false;
	if (unique & REQUEST_RESENT)
		requests_begin_again(s->requests, unique);
	FAULT_WAIT("again");
	process(s, t, buf, clock_mono_ns());
	requests_done(s->requests, t->number);
	if (unique & REQUEST_RESENT)
		requests_end_again(s->requests, unique);
	return true;
}

static void *serve(void *arg)
{
	struct thread *t = arg;
	struct session *s = t->session;
	struct fuse_buf buf = { .mem = requests_buffer(s->requests, t->number) };
	int r = 0;

	(void)pthread_setname_np(pthread_self(), FS_READER_NAME);
	urgent_uninterrupted(); /* a client's fallocate(2) would end with EINTR */
	buf.mem_size = buf.mem ? REQUEST_BUFFER_BYTES : 0;
	while (r == 0 && readers_turn(s->readers, t->number) && !fuse_session_exited(s->se)) {
		if (!serve_again(s, t, &buf))
			r = serve_one(s, t, &buf);
	}
	if (r < 0) {
		log_error("reading requests: error=%s", log_errname(r));
		atomic_store(&s->broken, true);
	}
	if (!requests_buffer(s->requests, t->number))
		free(buf.mem);
	end(s);
	return NULL;
}

/* INIT: comes before everything else. */
static int begin(struct session *s)
{
	struct fuse_buf buf = { 0 };
	int r = receive(s, &buf);

	if (r == 0) {
		keep_connection(s, &buf);
		fuse_session_process_buf(s->se, &buf);
	}
	free(buf.mem);
	return r;
}

/*
 * The same from what was kept. libfuse's answer to a message that was answered long ago goes nowhere: the kernel does
 * not know it any more (-ENOENT).
 */
static int begin_again(struct session *s)
{
	struct fuse_buf init = { .mem = s->kept->init, .size = s->kept->init_len };

	fuse_session_process_buf(s->se, &init);
	return fs_take_over(s->fs, s->requests, s->se, &s->backlog);
}

int session_start(struct session *s, void (*on_end)(void *arg), void *arg)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct beside *beside;
	int r;

	s->on_end = on_end;
	s->arg = arg;
	(void)sigaction(WAKE_SIGNAL, &sa, NULL); /* no SA_RESTART: read(2) is to return */
	r = s->attached ? begin_again(s) : begin(s);
	if (s->attached && (r == -ENODEV || r == -ECONNABORTED)) {
		atomic_store(&s->gone, true);
		atomic_store(&s->ended, true);
		return -ENODEV;
	}
	if (r != 0)
		return r < 0 ? r : -ENODEV;
	(void)!write(s->read_ahead_fd, READ_AHEAD_KB, strlen(READ_AHEAD_KB));
	fs_probe_passthrough(s->fs);
	if (s->fs->config.passthrough)
		r = refresh_new(s->fs, s->mountpoint, s->mount_id.device, &s->fs->refresh);
	if (r < 0)
		log_warning("attributes are not refreshed after a close: error=%s, ignoring",
			    log_errname(r));
	for (; s->started < s->nthreads; s->started++) {
		struct thread *t = &s->threads[s->started];

		*t = (struct thread){ .session = s, .number = s->started };
		r = pthread_create(&t->pthread, NULL, serve, t);
		if (r && s->started == 0)
			return -r;
		if (r) {
			log_warning("threads=%u: only %u could be started, ignoring", s->nthreads,
				    s->started);
			break;
		}
	}
	/* Not earlier: whether it can be is found out at idle policy. Without, it is slower. */
	if (beside_new(fuse_session_fd(s->se), &beside) == 0)
		atomic_store(&s->beside, beside);
	return 0;
}

static bool is_there(const struct session *s)
{
	return mount_id_is_there(&s->mount_id, s->mountpoint, atomic_load(&s->gone));
}

int session_unmount(struct session *s)
{
	bool failed = atomic_load(&s->ended);
	bool broken = atomic_load(&s->broken);

	if (!s->mounted)
		return 0;
	s->mounted = false;
	accesslog_stop(s->fs->accesslog); /* who reads it keeps the mount busy */
	if (broken && is_there(s))	  /* end the connection: whoever waits gets an error */
		(void)umount2(s->mountpoint, MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW);
	if (s->fs->refresh)
		refresh_stop(s->fs->refresh); /* it may be a client just now */
	for (int i = 0; failed && i < FORCED_TRIES && is_there(s); i++)
		(void)nanosleep(&(struct timespec){ .tv_nsec = FORCED_POLL_NS }, NULL);
	if (!is_there(s))
		return broken ? -ECONNABORTED : 0;
	if (umount2(s->mountpoint, UMOUNT_NOFOLLOW) < 0 && errno == EBUSY)
		(void)umount2(s->mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW);
	return failed ? -ECONNABORTED : 0;
}

/* A system call within a request is not to be interrupted, if it is to be answered; one that takes long is not in real time. */
static void join(struct session *s, const struct thread *t)
{
	bool answers = atomic_load(&s->fs->leaving);
	int64_t tired_mono_ns = answers ? clock_mono_ns() + URGENT_START_NS : INT64_MAX;

	for (;;) {
		struct timespec ts;
		int64_t until = clock_ns(CLOCK_REALTIME) + WAKE_AGAIN_NS;

		ts.tv_sec = until / NS_PER_S;
		ts.tv_nsec = until % NS_PER_S;
		if (!answers || !readers_is_busy(s->readers, t->number))
			(void)pthread_kill(t->pthread, WAKE_SIGNAL);
		if (pthread_timedjoin_np(t->pthread, NULL, &ts) == 0)
			return;
		if (clock_mono_ns() < tired_mono_ns)
			continue;
		urgent_process();
		tired_mono_ns = INT64_MAX;
	}
}

void session_leave(struct session *s)
{
	int64_t until = clock_ns(CLOCK_MONOTONIC) + SETTLE_NS;

	atomic_store(&s->ended, true); /* that threads end is not to be told */
	if (s->fs->refresh)
		refresh_stop(s->fs->refresh);
	notify_wait(s->fs->notify, until);
	if (atomic_load(&s->beside))
		beside_stop(atomic_load(&s->beside));
	dircache_end(s->fs->dirs); /* whoever executes another program would be kept */
	urgent_stop();
	atomic_store(&s->fs->leaving, true);
	readers_stop(s->readers);
	for (unsigned int i = 0; i < s->started; i++)
		join(s, &s->threads[i]);
	readers_free(TAKE_PTR(s->readers));
	beside_free(atomic_exchange(&s->beside, NULL));
	notify_leave(s->fs->notify, until);
}

uint64_t session_layout(void)
{
	return layout_add(layout_add(requests_layout(), untold_layout()), sizeof(struct kept));
}

void session_free(struct session *s)
{
	if (!s)
		return;
	if (s->se) {
		(void)session_unmount(s);
		/* It may wait in the kernel for who waits for one of the threads: so they still serve. */
		notify_set_session(s->fs->notify, NULL);
		fuse_session_exit(s->se);
	}
	if (s->readers)
		readers_stop(s->readers);
	for (unsigned int i = 0; i < s->started; i++)
		join(s, &s->threads[i]);
	readers_free(s->readers);
	beside_free(atomic_load(&s->beside));
	requests_free(s->requests);
	backlog_free(s->backlog);
	if (s->fs->session) /* what the threads have queued since may be about to ask the refresher: see aside.c */
		notify_set_session(s->fs->notify, NULL);
	refresh_free(s->fs->refresh);
	s->fs->refresh = NULL;
	if (s->fs->session) {
		s->fs->session = NULL;
		notify_set_session(s->fs->notify,
				   NULL); /* the references that the refresher has given back */
		backing_set_device(s->fs->backing, -1);
	}
	if (s->se)
		fuse_session_destroy(s->se);
	(void)safe_close(s->read_ahead_fd);
	free(s->threads);
	free(s->mountpoint);
	free(s);
}
