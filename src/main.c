/* SPDX-License-Identifier: MIT */
/*
 * batonfs: build the layers from the bottom up, serve until the mount is gone or a signal comes, and take
 * them down again from the top. Everything that can be refused is refused before the mount.
 *
 * Exit status: 0 unmounted, 1 failed (trying again may help), 2 command line, source or mountpoint cannot be
 * used as they are (it will not). Called by mount(8), its codes: 32 and 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "baton/interface.h"
#include "config.h"
#include "control/control.h"
#include "exec/execution.h"
#include "exec/reaper.h"
#include "exec/recover.h"
#include "fuse/front.h"
#include "fuse/session.h"
#include "ledger/ledger.h"
#include "metrics.h"
#include "mountpoint_check.h"
#include "seal/seal.h"
#include "store/reserve.h"
#include "store/room.h"
#include "store/store.h"
#include "store/stub.h"
#include "store/trash.h"
#include "unmount.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mounttab.h"
#include "util/sdnotify.h"

enum {
	EXIT_UNMOUNTED = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	/* mount(8)'s */
	EXIT_MOUNT_USAGE = 1,
	EXIT_MOUNT_FAILED = 32,
};

/* How often the lock of a store is tried that a daemon which is going down still has. */
#define STORE_POLL_NS (20 * NS_PER_MS)

/* Threads that serve requests. Source: two for each CPU keep it busy while one waits for the store. */
#define THREADS_MIN 4
#define THREADS_MAX 16

/* Everything the process owns, in the order it is made. */
struct daemon {
	struct config config;
	char *mountpoint;
	char *options;
	struct store store;
	struct ledger *ledger;
	struct ledger_open_result ledger_state;
	struct trash *trash;
	struct exec_table *execs;
	struct seal *seal;
	struct fs *fs;
	struct control *control;
	struct session *session;
	struct reaper *reaper;
	struct recover *recover;
	bool mountpoint_hangs; /* a batonfs is there that does not answer, to be detached */
	bool helper;	       /* called by mount(8) */
	pthread_t main_thread;
	int parent_fd; /* -1 in the foreground: where the parent waits for the exit status */
};

/* ---- the parent ---- */

/*
 * Go on as a child; the parent waits until the mount answers, or for the error. Returns in the child only.
 */
static int daemonize(void)
{
	int fds[2];
	unsigned char status = EXIT_FAILED;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0) {
		(void)close(fds[1]);
		while (read(fds[0], &status, 1) < 0 && errno == EINTR)
			;
		_exit(status);
	}
	(void)close(fds[0]);
	return fds[1];
}

/*
 * Let the parent go; from then on there is no terminal to write to. Not before, a session of its own: when an
 * automount is being filled, only the process group of its maker (and of mount(8)) may look at the mountpoint;
 * all others wait until it is.
 */
static void detach(struct daemon *d, unsigned char status)
{
	_cleanup_close_ int null = -1;
	struct stat st;

	if (d->parent_fd < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	(void)setsid();
	if (status == EXIT_UNMOUNTED && null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		if (fstat(STDERR_FILENO, &st) == 0 &&
		    !S_ISREG(st.st_mode)) { /* a file was meant as a log */
			log_to_syslog();
			(void)dup2(null, STDERR_FILENO);
		}
	}
	(void)!write(d->parent_fd, &status, 1);
	d->parent_fd = safe_close(d->parent_fd);
}

/* ---- the process ---- */

static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* what there is will do */
	}
}

/* The signals main waits for; blocked in every thread. */
static void prepare_signals(sigset_t *set)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGIO, SIG_IGN); /* leases, see store/lease.h */
	(void)signal(SIGHUP, SIG_IGN);
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, set, NULL);
}

static int exit_status(const struct daemon *d, int err)
{
	switch (err) {
	case 0:
		return EXIT_UNMOUNTED;
	case -EINVAL:
	case -ENOENT:
	case -ENOTDIR:
	case -ENOTEMPTY:
	case -EOPNOTSUPP:
	case -EPROTONOSUPPORT:
		return d->helper ? EXIT_MOUNT_USAGE : EXIT_USAGE;
	default:
		return d->helper ? EXIT_MOUNT_FAILED : EXIT_FAILED;
	}
}

static unsigned int thread_count(const struct config *c)
{
	unsigned int n = (unsigned int)get_nprocs() * 2;

	if (c->threads)
		return (unsigned int)c->threads;
	return MIN_OF(MAX_OF(n, (unsigned int)THREADS_MIN), (unsigned int)THREADS_MAX);
}

/* ---- upcalls ---- */

static void add_seal_status(struct daemon *d, json_t *object)
{
	static const char *const names[] = {
		[SEAL_HUGEPAGES_AUTO] = "auto",
		[SEAL_HUGEPAGES_ALWAYS] = "always",
		[SEAL_HUGEPAGES_OFF] = "off",
	};
	struct seal_counts n;

	seal_count(d->seal, &n);
	(void)json_object_set_new(object, "seal",
				  json_pack("{s:s,s:I,s:I,s:I,s:I}", "hugepages",
					    names[d->config.hugepages], "collapsed",
					    (json_int_t)n.collapsed_bytes, "hashed_files",
					    (json_int_t)n.hash.files, "hashed_bytes",
					    (json_int_t)n.hash.bytes, "dropped",
					    (json_int_t)n.dropped));
}

static void add_room_status(struct daemon *d, json_t *object)
{
	const struct room_marks *m = &d->config.marks;
	char high[32], low[32];
	struct reaper_counts n;

	reaper_count(d->reaper, &n);
	(void)json_object_set_new(object, "room",
				  json_pack("{s:s,s:s,s:I,s:I,s:I}", "high",
					    room_format_mark(&m->high, high, sizeof(high)), "low",
					    room_format_mark(&m->low, low, sizeof(low)), "evicted",
					    (json_int_t)n.evicted_executions, "evicted_files",
					    (json_int_t)n.evicted_files, "evicted_bytes",
					    (json_int_t)n.evicted_bytes));
}

static json_t *of_limit(uint64_t limit)
{
	return limit ? json_integer((json_int_t)limit) : json_null();
}

static void add_limits(const struct config *c, json_t *object)
{
	(void)json_object_set_new(object, "limits",
				  json_pack("{s:o,s:o,s:s}", "bytes", of_limit(c->exec_bytes),
					    "files", of_limit(c->exec_files), "limit",
					    c->limit == LIMIT_STRICT ? "strict" : "open"));
}

static void add_status(void *ctx, json_t *object)
{
	struct daemon *d = ctx;
	static const char *const states[] = {
		[LEDGER_CLEAN] = "clean",
		[LEDGER_UNCLEAN] = "unclean",
		[LEDGER_NEW] = "new",
		[LEDGER_REPLACED] = "replaced",
	};
	const struct config *c = &d->config;
	json_t *ledger = json_object_get(object, "ledger");

	(void)json_object_set_new(ledger, "state", json_string(states[d->ledger_state.state]));
	(void)json_object_set_new(ledger, "set_aside", json_string(d->ledger_state.set_aside));
	fs_status(d->fs, object);
	(void)json_object_set_new(object, "mountpoint", json_string(d->mountpoint));
	(void)json_object_set_new(object, "store",
				  json_string(d->store.memory ? "memory" : d->store.path));
	(void)json_object_set_new(object, "pid", json_integer(getpid()));
	(void)json_object_set_new(object, "filesystem", json_string(d->store.filesystem));
	(void)json_object_set_new(object, "hugepages",
				  json_string(d->store.huge ? "within_size" : ""));
	(void)json_object_set_new(object, "ttl",
				  c->ttl_ns == INT64_MAX ? json_null()
							 : json_real((double)c->ttl_ns / 1e9));
	(void)json_object_set_new(object, "autodir", json_boolean(c->autodir));
	(void)json_object_set_new(object, "threads", json_integer(thread_count(c)));
	(void)json_object_set_new(object, "trash",
				  json_integer((json_int_t)trash_pending(d->trash)));
	add_seal_status(d, object);
	add_room_status(d, object);
	add_limits(c, object);
}

static void add_metrics(void *ctx, FILE *out)
{
	struct daemon *d = ctx;
	const struct metrics_sources sources = {
		.store = &d->store,
		.trash = d->trash,
		.seal = d->seal,
		.reaper = d->reaper,
		.ttl_ns = d->config.ttl_ns,
	};

	fs_metrics(d->fs, out);
	metrics_write(&sources, out);
}

static void root_changed(void *ctx)
{
	fs_root_changed(((struct daemon *)ctx)->fs);
}

static void mount_ended(void *ctx)
{
	struct daemon *d = ctx;

	(void)pthread_kill(d->main_thread, SIGTERM);
}

/* ---- from the bottom up ---- */

static int open_ledger(struct daemon *d)
{
	static const char *const texts[] = {
		[LEDGER_UNCLEAN] =
			"the last batonfs did not end cleanly; checking the ledger against the tree",
		[LEDGER_REPLACED] =
			"the ledger was damaged and is set aside; building it anew from the tree",
	};
	_cleanup_free_ char *path = NULL;
	int r;

	if (asprintf(&path, "%s/ledger.db", d->store.path) < 0)
		return -ENOMEM;
	r = ledger_open(path, &d->ledger, &d->ledger_state);
	if (r == -EPROTONOSUPPORT)
		log_error("store %s: its ledger was written by a newer batonfs; use that one",
			  d->store.path);
	else if (r < 0 && r != -ENOSPC)
		log_error("store %s: cannot open ledger.db: %s", d->store.path, strerror(-r));
	else if (d->ledger_state.state == LEDGER_REPLACED)
		log_warning("%s set_aside=%s", texts[LEDGER_REPLACED], d->ledger_state.set_aside);
	else if (d->ledger_state.state == LEDGER_UNCLEAN)
		log_notice("%s", texts[LEDGER_UNCLEAN]);
	return r;
}

/* Whether `path` is `dir` or below it; both absolute and resolved. */
static bool is_below(const char *path, const char *dir)
{
	size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || !path[len]);
}

/*
 * One must not be inside the other. Asked before the store is touched; what does not exist is store_open()'s
 * to tell.
 */
static int check_apart(const char *source, const char *mountpoint)
{
	_cleanup_free_ char *path = realpath(source, NULL);

	if (!path || strcmp(source, "memory") == 0 ||
	    strncmp(source, "memory:", strlen("memory:")) == 0)
		return 0;
	if (is_below(path, mountpoint))
		log_error(
			"store %s is below the mountpoint %s, which would hide it; give a directory elsewhere",
			source, mountpoint);
	else if (is_below(mountpoint, path))
		log_error("mountpoint %s is inside the store %s; give a directory elsewhere",
			  mountpoint, source);
	else
		return 0;
	return -EINVAL;
}

/* A daemon whose mount is gone gives its store back soon: umount X && mount X. */
static int wait_for_store(struct daemon *d, struct store_error *error)
{
	_cleanup_free_ char *path = realpath(d->config.source, NULL);
	int64_t end = clock_ns(CLOCK_MONOTONIC) + UNMOUNT_WAIT_NS;
	struct timespec ts = { .tv_nsec = STORE_POLL_NS };
	int r = -EBUSY;

	if (!path || mounttab_has(BATON_FSTYPE, path))
		return r;
	log_notice("the batonfs that had store %s is going down; waiting for it", path);
	sdnotify("STATUS=waiting for the store");
	while (r == -EBUSY && clock_ns(CLOCK_MONOTONIC) < end) {
		(void)nanosleep(&ts, NULL);
		r = store_open(d->config.source, &d->store, error);
	}
	return r;
}

/* Only now its size is known. */
static int check_marks(struct daemon *d)
{
	const struct room_marks *m = &d->config.marks;
	char high[32], low[32];
	struct room room;
	int r;

	if (!room_mark_is_set(&m->high))
		return 0;
	r = room_look(&d->store, &room);
	if (r < 0 || room_marks_fit(&m->high, &m->low, room.bytes.total))
		return r;
	log_error(
		"option low=%s leaves no more of this store free than high=%s does; give a lower one",
		room_format_mark(&m->low, low, sizeof(low)),
		room_format_mark(&m->high, high, sizeof(high)));
	return -EINVAL;
}

static int open_store(struct daemon *d)
{
	struct store_error error;
	int r;

	r = check_apart(d->config.source, d->mountpoint);
	if (r < 0)
		return r;
	r = store_open(d->config.source, &d->store, &error);
	if (r == -EBUSY)
		r = wait_for_store(d, &error);
	if (r < 0)
		log_error("%s", error.text);
	return r < 0 ? r : check_marks(d);
}

/* What is left in the trash may be what the ledger has no room for. */
static int open_trash_and_ledger(struct daemon *d)
{
	int r = trash_new(d->store.trash_fd, &d->trash);

	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return r;
	}
	r = open_ledger(d);
	if (r == -ENOSPC) { /* not before: a store that is refused is not changed */
		reserve_release(&d->store);
		r = open_ledger(d);
	}
	if (r == -ENOSPC && trash_empty(d->trash) == 0)
		r = open_ledger(d);
	if (r == -ENOSPC)
		log_error(
			"store %s: no room for its ledger; make some on that filesystem, or remove what is "
			"not needed below %s/tree",
			d->store.path, d->store.path);
	else if (r == 0)
		reserve_take(&d->store);
	return r;
}

static struct exec_limits limits_of(const struct config *c)
{
	return (struct exec_limits){
		.bytes = c->exec_bytes,
		.files = c->exec_files,
		.strict = c->limit == LIMIT_STRICT,
	};
}

static int build_executions(struct daemon *d)
{
	struct exec_config config = {
		.limits = limits_of(&d->config),
		.ttl_ns = d->config.ttl_ns,
		.autodir = d->config.autodir,
		.dir_mode = d->config.dmask == UINT32_MAX ? 01777 : 0777 & ~d->config.dmask,
	};
	int r = exec_table_new(&d->store, d->trash, d->ledger, &config, d->ledger_state.next_number,
			       &d->execs);

	if (r == 0)
		r = recover_executions(d->execs, &d->store, d->ledger,
				       d->ledger_state.state == LEDGER_CLEAN);
	if (r == 0)
		r = reaper_new(d->execs, &d->store, d->ledger, &d->config.marks, &d->reaper);
	if (r < 0)
		log_error("store %s: cannot read its tree: %s", d->store.path, strerror(-r));
	return r;
}

/* A ledger that cannot be relied on does not know which files have a ttl of their own. */
static bool may_have_own_ttls(struct daemon *d)
{
	int64_t next;

	if (d->ledger_state.state != LEDGER_CLEAN)
		return exec_count(d->execs) > 0;
	return ledger_next_file_expiry(d->ledger, d->config.ttl_ns, &next) < 0 || next != INT64_MAX;
}

_Static_assert(DEDUP_DEFAULT == SHARE_OWNER && DEDUP_MIN_LEAST == STUB_MIN, "see config.h");

static int build_seal(struct daemon *d)
{
	struct seal_config config = {
		.hugepages = (enum seal_hugepages)d->config.hugepages,
		.hash = (enum seal_hash)d->config.hash,
		.clean_ledger = d->ledger_state.state == LEDGER_CLEAN,
		.dedup = (enum share_scope)d->config.dedup,
		.dedup_min_bytes = d->config.dedup_min_bytes,
	};
	int r = seal_new(&d->store, d->ledger, &config, &d->seal);

	if (r < 0)
		log_error("cannot start: %s", strerror(-r));
	return r;
}

/* A copy in another execution, of what only one may share, is none. */
static enum fs_clone clone_scope(const struct daemon *d)
{
	switch ((enum share_scope)d->config.dedup) {
	case SHARE_OWNER:
		return FS_CLONE_OWN;
	case SHARE_MOUNT:
		return FS_CLONE_ALL;
	default:
		return FS_CLONE_NONE;
	}
}

static int build_front(struct daemon *d)
{
	struct fs_config config = {
		.passthrough = d->config.passthrough != PASSTHROUGH_OFF,
		.uid = d->config.uid,
		.gid = d->config.gid,
		.fmask = d->config.fmask,
		.dmask = d->config.dmask,
		.limits = limits_of(&d->config),
		.own_ttls = may_have_own_ttls(d),
		.unsettled = d->ledger_state.state != LEDGER_CLEAN,
		.clone = clone_scope(d),
		.threads = thread_count(&d->config),
	};
	struct control_upcalls control_up = { .ctx = d,
					      .seal = d->seal,
					      .status = add_status,
					      .metrics = add_metrics,
					      .root_changed = root_changed };
	struct seal_upcalls seal_up;
	struct exec_upcalls exec_up;
	int r = fs_new(&config, &d->store, d->execs, d->ledger, d->seal, &d->fs);

	if (r == 0)
		r = control_new(d->execs, d->ledger, &control_up, &d->control);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return r;
	}
	fs_set_control(d->fs, d->control);
	fs_set_reaper(d->fs, d->reaper);
	exec_up = (struct exec_upcalls){ .ctx = d->fs, .gone = fs_exec_gone };
	exec_table_set_upcalls(d->execs, &exec_up);
	seal_up = (struct seal_upcalls){
		.ctx = d->fs,
		.is_closed = fs_is_closed,
		.is_open = fs_is_open,
		.claim = fs_claim,
		.settle = fs_settle,
		.make_stub = fs_make_stub,
		.settle_stub = fs_settle_stub,
	};
	seal_set_upcalls(d->seal, &seal_up);
	return 0;
}

static int mount_front(struct daemon *d)
{
	struct session_config config = {
		.source = d->store.memory ? "memory" : d->store.path,
		.mountpoint = d->mountpoint,
		.options = d->options,
		.threads = thread_count(&d->config),
	};
	int r = store_leave(&d->store);

	if (r == 0 && d->mountpoint_hangs) {
		log_warning("detaching a batonfs that does not answer mountpoint=%s",
			    d->mountpoint);
		r = mountpoint_detach(d->mountpoint);
	}
	if (r == 0)
		r = session_mount(&config, d->fs, &d->session);
	if (store_enter(&d->store) < 0 && r == 0)
		r = -EIO;
	if (r == -EPERM || r == -EACCES)
		log_error("no privilege to mount at %s; run batonfs as root (CAP_SYS_ADMIN)",
			  d->mountpoint);
	else if (r < 0)
		log_error("cannot mount at %s: %s", d->mountpoint, strerror(-r));
	if (r < 0)
		return r;
	r = session_start(d->session, mount_ended, d);
	if (r < 0)
		log_error("cannot serve %s: %s", d->mountpoint, strerror(-r));
	return r;
}

static int check_passthrough(struct daemon *d)
{
	const char *why;

	if (fs_passthrough(d->fs, &why) || d->config.passthrough == PASSTHROUGH_OFF)
		return 0;
	if (d->config.passthrough == PASSTHROUGH_ON) {
		log_error("passthrough=on: %s", why);
		return -EOPNOTSUPP;
	}
	log_warning("no passthrough: %s; contents go through the daemon, which is slower", why);
	return 0;
}

static int start_background(struct daemon *d)
{
	struct reaper_upcalls up = {
		.ctx = d->fs,
		.remove_file = fs_remove_file,
		.is_lent = fs_is_lent,
		.give_up = fs_give_up,
		.collect = fs_collect,
		.vanish = fs_exec_vanish,
		.recover = { .ctx = d->fs, .settle_stub = fs_settle_stub, .settled = fs_settled }
	};
	enum recover_how how = d->ledger_state.state == LEDGER_CLEAN ? RECOVER_SUMS : RECOVER_FILES;
	int r = reaper_start(d->reaper, &up);

	if (r == 0)
		r = recover_files_new(d->execs, &d->store, d->ledger, how, &up.recover,
				      &d->recover);
	if (r < 0)
		log_error("cannot start threads: %s", strerror(-r));
	return r;
}

static int build(struct daemon *d)
{
	struct mountpoint_error error;
	int r = mountpoint_check_device(&error);

	if (r == 0)
		r = mountpoint_check(d->config.mountpoint, &d->mountpoint, &d->mountpoint_hangs,
				     &error);
	if (r < 0) {
		log_error("%s", error.text);
		return r == -ENOENT && !d->mountpoint && access("/dev/fuse", F_OK) < 0 ? -ENXIO : r;
	}
	if (asprintf(&d->options, "%s,%s,%s%s%s", d->config.suid ? "suid" : "nosuid",
		     d->config.dev ? "dev" : "nodev", d->config.exec ? "exec" : "noexec",
		     d->config.readonly ? ",ro" : "", d->config.noatime ? ",noatime" : "") < 0)
		return -ENOMEM;
	r = open_store(d);
	if (r == 0)
		r = open_trash_and_ledger(d);
	if (r == 0)
		r = build_executions(d);
	if (r == 0)
		r = build_seal(d);
	if (r == 0)
		r = build_front(d);
	if (r == 0)
		r = mount_front(d);
	if (r == 0)
		r = check_passthrough(d);
	if (r == 0)
		r = start_background(d);
	return r;
}

/* ---- and down again ---- */

static int take_down(struct daemon *d)
{
	int r = 0;

	if (d->session) {
		(void)!store_leave(
			&d->store); /* what is mounted can be unmounted only where it is */
		r = session_unmount(d->session);
		(void)!store_enter(&d->store);
	}
	recover_files_free(d->recover);
	reaper_stop(d->reaper);
	seal_end(d->seal); /* answers requests, which end with the session */
	session_free(d->session);
	reaper_free(d->reaper);
	seal_free(d->seal);
	fs_free(d->fs);
	control_free(d->control);
	exec_table_free(d->execs);
	trash_free(d->trash);
	ledger_free(d->ledger);
	if (d->store.path)
		store_close(&d->store);
	free(d->options);
	free(d->mountpoint);
	return r;
}

static int run(struct daemon *d)
{
	const char *why;
	sigset_t signals;
	bool mounted;
	int signo = 0;
	int ended;
	int r;

	d->main_thread = pthread_self();
	prepare_signals(&signals);
	raise_limits();
	(void)umask(0);
	r = build(d);
	if (r == 0) {
		(void)!chdir("/"); /* keeps no other filesystem busy */
		log_info(
			"mounted mountpoint=%s store=%s filesystem=%s passthrough=%s executions=%llu",
			d->mountpoint, d->store.memory ? "memory" : d->store.path,
			d->store.filesystem, fs_passthrough(d->fs, &why) ? "yes" : "no",
			(unsigned long long)exec_count(d->execs));
		sdnotify("READY=1\nSTATUS=mounted");
		detach(d, EXIT_UNMOUNTED);
		while (sigwait(&signals, &signo) != 0)
			;
		sdnotify("STOPPING=1");
		log_info("ending mountpoint=%s", d->mountpoint);
	}
	mounted = r == 0;
	ended = take_down(d);
	if (mounted && ended < 0)
		log_error("the connection to the kernel was ended from outside, or failed");
	return mounted ? ended : r;
}

int main(int argc, char **argv)
{
	struct daemon d = { .parent_fd = -1,
			    .store = { .ns = { MEMORY_NOWHERE, MEMORY_NOWHERE },
				       .fd = -1,
				       .lock_fd = -1,
				       .tree_fd = -1,
				       .trash_fd = -1,
				       .blobs_fd = -1 } };
	struct config_error error;
	int r;

	if (unmount_called_as(argv[0], "umount."))
		return unmount_helper(argc, argv);
	d.helper = unmount_called_as(argv[0], "mount.");
	if (config_parse(argc, argv, &d.config, &error) < 0) {
		fprintf(stderr, "batonfs: %s\n", error.text);
		return exit_status(&d, -EINVAL);
	}
	if (d.config.help)
		config_help(stdout);
	if (d.config.version)
		printf("batonfs %s\n", BATON_VERSION);
	if (d.config.help || d.config.version || d.config.fake)
		return EXIT_UNMOUNTED;
	log_setup(d.config.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (d.config.clear)
		return unmount_clear(d.config.mountpoint);
	if (!d.config.foreground) {
		d.parent_fd = daemonize();
		if (d.parent_fd < 0) {
			log_error("cannot go to the background: %s", strerror(-d.parent_fd));
			return exit_status(&d, d.parent_fd);
		}
	}
	r = run(&d);
	detach(&d, (unsigned char)exit_status(&d, r));
	return exit_status(&d, r);
}
