/* SPDX-License-Identifier: MIT */
/*
 * Threads of our own instead of libfuse's loop: a fixed number, each with its buffer and its
 * identity (store/cred.h) for life, woken by a signal when the session ends.
 */
#include "fuse/session.h"

#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "fuse/access.h"
#include "fuse/beside.h"
#include "fuse/connection.h"
#include "fuse/fs.h"
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

struct thread {
	struct session *session; /* borrowed */
	unsigned int number;
	pthread_t pthread;
	struct spin spin;
};

/* umount -f ends the connection first and unmounts then: how often, and after what time, to look again. */
#define FORCED_TRIES 50
#define FORCED_POLL_NS (20 * NS_PER_MS)

struct session {
	struct connection connection;
	struct requests *requests; /* owned */
	struct backlog *backlog;   /* owned; what is sent again. NULL: nothing was taken over */
	bool attached;
	struct fs *fs;			 /* borrowed */
	struct readers *readers;	 /* owned */
	_Atomic(struct beside *) beside; /* owned; NULL: it may not be, or not yet */
	struct thread *threads;		 /* owned */
	unsigned int nthreads;		 /* wanted */
	unsigned int started;
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

static int new_session(const struct session_config *c, struct fs *fs, struct session **ret)
{
	_cleanup_(session_freep) struct session *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->fs = fs;
	s->nthreads = c->threads;
	r = connection_new(c, fs, &s->connection);
	if (r < 0)
		return r;
	s->threads = calloc(c->threads, sizeof(*s->threads));
	if (!s->threads)
		return -ENOMEM;
	r = readers_new(c->threads, &s->readers);
	if (r == 0)
		r = requests_new(c->keep, &s->requests);
	if (r == 0)
		*ret = TAKE_PTR(s);
	return r;
}

static void connected(struct session *s)
{
	s->mounted = true;
	s->fs->session = s->connection.se;
	notify_set_session(s->fs->notify, s->connection.se);
	backing_set_device(s->fs->backing, fuse_session_fd(s->connection.se));
}

int session_mount(const struct session_config *c, struct fs *fs, struct session **ret)
{
	_cleanup_(session_freep) struct session *s = NULL;
	int r = new_session(c, fs, &s);

	if (r == 0)
		r = connection_mount(&s->connection);
	if (r < 0)
		return r;
	connected(s);
	*ret = TAKE_PTR(s);
	return 0;
}

int session_attach(const struct session_config *c, struct fs *fs, struct session **ret)
{
	_cleanup_(session_freep) struct session *s = NULL;
	int r = new_session(c, fs, &s);

	if (r == 0)
		r = connection_attach(&s->connection);
	if (r < 0)
		return r;
	s->attached = true;
	connected(s);
	*ret = TAKE_PTR(s);
	return 0;
}

bool session_can_be_attached(const struct session *s)
{
	return connection_can_be_attached(&s->connection);
}

void session_abandon(struct keep *keep)
{
	connection_abandon(keep);
}

static void end(struct session *s)
{
	if (!atomic_exchange(&s->ended, true) && s->on_end)
		s->on_end(s->arg);
}

/* 0, 1 at the end, -errno. */
static int receive(struct session *s, struct fuse_buf *buf)
{
	int n = fuse_session_receive_buf(s->connection.se, buf);

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
	fuse_session_process_buf(s->connection.se, buf);
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
		spin_wait(&t->spin, fuse_session_fd(s->connection.se));
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
	while (r == 0 && readers_turn(s->readers, t->number) &&
	       !fuse_session_exited(s->connection.se)) {
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

	if (r == 0)
		connection_begin(&s->connection, &buf);
	free(buf.mem);
	return r;
}

static int begin_again(struct session *s)
{
	connection_begin_again(&s->connection);
	return fs_take_over(s->fs, s->requests, s->connection.se, &s->backlog);
}

static void start_refresh(struct session *s)
{
	struct refresh *refresh;
	int r;

	if (!s->fs->config.passthrough)
		return;
	r = refresh_new(s->fs, s->connection.mountpoint, s->connection.mount_id.device, &refresh);
	if (r < 0)
		log_warning("attributes are not refreshed after a close: error=%s, ignoring",
			    log_errname(r));
	else
		atomic_store(&s->fs->refresh, refresh);
}

static int start_readers(struct session *s)
{
	for (; s->started < s->nthreads; s->started++) {
		struct thread *t = &s->threads[s->started];
		int r;

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
	return 0;
}

/* Not earlier: who waits for an answer does not wait for these. Without the last two, it is slower. */
static int start_others(struct session *s)
{
	struct beside *beside;
	int r = readers_watch(s->readers);

	if (r == 0)
		r = accesslog_start(s->fs->accesslog);
	if (r < 0)
		return r;
	start_refresh(s);
	if (beside_new(fuse_session_fd(s->connection.se), &beside) == 0)
		atomic_store(&s->beside, beside);
	return 0;
}

int session_start(struct session *s, void (*on_end)(void *arg), void *arg)
{
	struct sigaction sa = { .sa_handler = nothing };
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
	connection_read_ahead(&s->connection);
	fs_probe_passthrough(s->fs);
	r = start_readers(s);
	return r < 0 ? r : start_others(s);
}

static bool is_there(const struct session *s)
{
	return connection_is_there(&s->connection, atomic_load(&s->gone));
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
		connection_unmount(&s->connection, true);
	if (atomic_load(&s->fs->refresh))
		refresh_stop(atomic_load(&s->fs->refresh)); /* it may be a client just now */
	for (int i = 0; failed && i < FORCED_TRIES && is_there(s); i++)
		(void)nanosleep(&(struct timespec){ .tv_nsec = FORCED_POLL_NS }, NULL);
	if (!is_there(s))
		return broken ? -ECONNABORTED : 0;
	connection_unmount(&s->connection, false);
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
	if (atomic_load(&s->fs->refresh))
		refresh_stop(atomic_load(&s->fs->refresh));
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
	return layout_add(layout_add(requests_layout(), untold_layout()), connection_layout());
}

void session_free(struct session *s)
{
	if (!s)
		return;
	if (s->connection.se) {
		(void)session_unmount(s);
		/* It may wait in the kernel for who waits for one of the threads: so they still serve. */
		notify_set_session(s->fs->notify, NULL);
		fuse_session_exit(s->connection.se);
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
	refresh_free(atomic_load(&s->fs->refresh));
	atomic_store(&s->fs->refresh, NULL);
	if (s->fs->session) {
		s->fs->session = NULL;
		notify_set_session(s->fs->notify,
				   NULL); /* the references that the refresher has given back */
		backing_set_device(s->fs->backing, -1);
	}
	connection_done(&s->connection);
	free(s->threads);
	free(s);
}
