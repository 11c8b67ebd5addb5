/* SPDX-License-Identifier: MIT */
/*
 * batonfs, the process: reads its command line, goes to the background, has the layers built (daemon.h), waits until
 * the mount is gone or a signal comes, and has them taken down.
 *
 * Exit status: 0 unmounted, 1 failed (trying again may help), 2 command line, source or mountpoint cannot be
 * used as they are (it will not). Called by mount(8), its codes: 32 and 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "baton/interface.h"
#include "config/option.h"
#include "confine.h"
#include "daemon.h"
#include "exec/execution.h"
#include "fuse/front.h"
#include "fuse/session.h"
#include "http/http.h"
#include "takeover/guardian.h"
#include "takeover/keep.h"
#include "takeover/urgent.h"
#include "tuning.h"
#include "unmount.h"
#include "upgrade.h"
#include "util/cleanup.h"
#include "util/leak.h"
#include "util/log.h"
#include "util/sdnotify.h"
#include "watched.h"

enum {
	EXIT_UNMOUNTED = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	/* mount(8)'s */
	EXIT_MOUNT_USAGE = 1,
	EXIT_MOUNT_FAILED = 32,
};

/* The process: its layers, and who waits for it. */
struct process {
	struct daemon daemon;
	struct http http; /* with a guardian, its child */
	struct upgrade upgrade;
	struct watchdog *watchdog; /* owned; NULL: none */
	bool helper;		   /* called by mount(8) */
	int parent_fd;	  /* -1 in the foreground: where the parent waits for the exit status */
	sigset_t signals; /* that end the mount, and HANDOVER_SIGNAL; blocked in every thread */
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
static void detach(struct process *p, unsigned char status)
{
	if (p->parent_fd < 0)
		return;
	(void)setsid();
	if (status == EXIT_UNMOUNTED)
		log_leave_terminal();
	(void)!write(p->parent_fd, &status, 1);
	keep_fd_drop(p->parent_fd);
	p->parent_fd = safe_close(p->parent_fd);
}

/* ---- the process ---- */

static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* what there is will do */
	}
	/* How large files may be is for each client's limit to say, and the kernel looks at that. */
	limit = (struct rlimit){ .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };
	(void)setrlimit(RLIMIT_FSIZE, &limit);
}

/* Who has not even those that are needed is told so by what needs them. */
static int give_up_rights(void)
{
	int r = confine_rights();

	if (r < 0 && r != -EPERM)
		log_error("cannot give up rights: %s; option sandbox=off goes without",
			  strerror(-r));
	return r == -EPERM ? 0 : r;
}

static void give_up_calls(void)
{
	int r = confine_calls();

	if (r < 0)
		log_debug("sandbox: error=%s, going without a filter of system calls",
			  log_errname(r));
}

static void prepare_signals(sigset_t *set)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* EFBIG will do */
	(void)signal(SIGIO, SIG_IGN);	/* leases, see store/lease.h */
	(void)signal(SIGHUP, SIG_IGN);
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, HANDOVER_SIGNAL);
	(void)pthread_sigmask(SIG_BLOCK, set, NULL);
}

static int exit_status(const struct process *p, int err)
{
	if (err == -ENOMEM) /* nobody else says that */
		log_error("out of memory");
	switch (err) {
	case 0:
		return EXIT_UNMOUNTED;
	case -EINVAL:
	case -ENOENT:
	case -ENOTDIR:
	case -ENOTEMPTY:
	case -EOPNOTSUPP:
	case -EPROTONOSUPPORT:
		return p->helper ? EXIT_MOUNT_USAGE : EXIT_USAGE;
	default:
		return p->helper ? EXIT_MOUNT_FAILED : EXIT_FAILED;
	}
}

/* The guardian has decided for an upgrade, or against; or this is it, and there is none. */
static void take_decision(struct daemon *d)
{
	if (d->guardian)
		fs_upgrade_decided(d->fs);
	else
		log_warning("upgrade refused: no other process can take the place of this one: %s",
			    d->alone_why);
}

/* The next signal; meanwhile, if there is no guardian to do so, see to it that requests are answered. */
static int next_signal(struct process *p)
{
	struct watchdog *w = p->daemon.guardian ? NULL : p->watchdog;
	int64_t due = watchdog_due_ns(w);
	struct timespec ts = { .tv_sec = due / NS_PER_S, .tv_nsec = due % NS_PER_S };
	int signo = 0;

	if (!w)
		return sigwait(&p->signals, &signo) == 0 ? signo : -1;
	signo = sigtimedwait(&p->signals, NULL, &ts);
	(void)waitpid(-1, NULL, WNOHANG); /* the prober, or the server of metrics= */
	if (watchdog_look(w, getpid(), true))
		watchdog_tell(w);
	return signo;
}

/* Wait for the end. False: it is not this one's to take down. */
static bool await_end(struct process *p)
{
	struct daemon *d = &p->daemon;
	int signo;

	for (;;) {
		signo = next_signal(p);
		if (signo < 0)
			continue;
		if (signo != HANDOVER_SIGNAL)
			return true;
		if (d->guardian && handover_must_leave(d->keep))
			return false;
		take_decision(d);
	}
}

static int serve(struct process *p, bool mounted)
{
	struct daemon *d = &p->daemon;
	int ended;

	if (mounted) {
		if (!await_end(p)) {
			urgent_process();
			daemon_leave(d);
			log_info("has left mountpoint=%s", d->mountpoint);
			return 0;
		}
		urgent_wait_end();
		if (d->guardian)
			guardian_ending(d->keep);
		else
			sdnotify("STOPPING=1");
		log_info("ending mountpoint=%s", d->mountpoint);
	} else {
		urgent_end(); /* nobody waits for it any more */
	}
	ended = daemon_take_down(d);
	lock_done(&d->tuning);
	if (d->guardian)
		leak_check(); /* it ends by _exit(2) */
	if (mounted && ended < 0)
		log_error("the connection to the kernel was ended from outside, or failed");
	return ended;
}

/* While there is no thread, and there are all rights. */
static int begin_http(struct process *p)
{
	static const struct http_upcalls up = { confine_to_nobody, confine_http_calls };
	const struct config *c = &p->daemon.config;
	char where[sizeof(c->file) + 32];

	if (!c->metrics[0])
		return 0;
	(void)config_origin_text(c, option_index(option_find("metrics")), where, sizeof(where));
	return http_begin(c->metrics, where, &up, &p->http);
}

static int build(struct process *p)
{
	struct daemon *d = &p->daemon;
	const char *why;
	int r;

	d->main_thread = pthread_self();
	lock_init(&d->tuning, LOCK_TUNING);
	r = daemon_build(d);
	if (r < 0)
		return r;
	if (d->config.sandbox)
		give_up_calls();
	(void)!chdir("/"); /* keeps no other filesystem busy */
	log_info("%s mountpoint=%s store=%s filesystem=%s passthrough=%s executions=%llu",
		 d->takeovers ? "taken over" : "mounted", d->mountpoint,
		 d->store.memory ? "memory" : d->store.path, d->store.filesystem,
		 fs_passthrough(d->fs, &why) ? "yes" : "no",
		 (unsigned long long)exec_count(d->execs));
	return 0;
}

static void ready(void *ctx)
{
	struct process *p = ctx;

	(void)!chdir("/");
	if (!p->upgrade.before[0]) /* else the server is that of the first program */
		http_serve(&p->http, p->daemon.mountpoint, p->parent_fd >= 0);
	watchdog_serve(p->watchdog);
	sdnotify("READY=1\nSTATUS=mounted");
	detach(p, EXIT_UNMOUNTED);
}

/* All in one process. */
static int run_alone(struct process *p)
{
	int ended;
	int r;

	watchdog_obey(p->watchdog);
	r = build(p);

	if (r == 0)
		ready(p);
	ended = serve(p, r == 0);
	return exit_status(p, r < 0 ? r : ended);
}

/* ---- with a guardian ---- */

static int work(void *ctx, unsigned int generation)
{
	struct process *p = ctx;
	bool background = p->parent_fd >= 0;
	int ended;
	int r;

	p->daemon.guardian = getppid();
	p->daemon.takeovers = generation - 1;
	r = build(p);
	if (r == 0) {
		guardian_ready(p->daemon.keep, session_can_be_attached(p->daemon.session));
		/*
		 * Where sessions share the CPUs the next one, which begins in the guardian's, owes nobody what this one has
		 * had. Not the first: it may be filling an automount, see detach().
		 */
		if (generation > 1)
			(void)setsid();
		if (background)
			log_leave_terminal();
	}
	ended = serve(p, r == 0);
	if (r == -ENODEV && p->daemon.takeovers > 0)
		r = 0; /* it ended between two of us */
	return exit_status(p, r < 0 ? r : ended);
}

static void abandon(void *ctx)
{
	struct process *p = ctx;

	(void)!store_leave(&p->daemon.store);
	session_abandon(p->daemon.keep);
}

static int check(void *ctx, int worker_pidfd, struct handover_reason *why)
{
	struct process *p = ctx;

	p->upgrade.http_fd = p->http.fd;
	return upgrade_check(&p->upgrade, worker_pidfd, why);
}

static void replace(void *ctx, unsigned int generation, struct handover_reason *why)
{
	upgrade_replace(&((struct process *)ctx)->upgrade, generation, why);
}

static void go_back(void *ctx, unsigned int generation, struct handover_reason *why)
{
	upgrade_go_back(&((struct process *)ctx)->upgrade, generation, why);
}

static int run_guarded(struct process *p, unsigned int generation)
{
	const struct guardian_plan plan = {
		.keep = p->daemon.keep,
		.signals = &p->signals,
		.generation = generation,
		.watchdog = p->watchdog,
		.check = check,
		.replace = replace,
		.go_back = p->upgrade.before_fd >= 0 ? go_back : NULL,
		.is_back = p->upgrade.back,
		.ctx = p,
		.work = work,
		.ready = ready,
		.abandon = abandon,
	};
	int status = guardian_run(&plan);

	daemon_let_go(&p->daemon);
	return status < 0 ? exit_status(p, status) : status;
}

/* In the place of another program. The exit status. */
static int go_on(struct process *p)
{
	unsigned int generation = 0;
	int r;

	log_setup(LOG_LEVEL_INFO);
	prepare_signals(&p->signals);
	raise_limits();
	(void)umask(0);
	r = upgrade_take_over(&p->upgrade, &generation);
	p->helper = p->upgrade.helper;
	p->http.fd = p->upgrade.http_fd;
	log_set_level(tuning_log_level(&p->daemon.config));
	if (!p->daemon.config.foreground)
		log_leave_terminal();
	if (r == 0 && p->daemon.config.sandbox)
		r = give_up_rights();
	if (r == 0) {
		watched_begin(&p->daemon, WATCHED_SUCCESSOR, &p->watchdog);
		r = run_guarded(p, generation);
	} else {
		if (p->daemon.keep)
			abandon(p);
		r = exit_status(p, r);
	}
	watchdog_free(p->watchdog);
	http_end(&p->http);
	return r;
}

/* The exit status. */
static int run(struct process *p)
{
	int r;

	prepare_signals(&p->signals);
	raise_limits();
	(void)umask(0);
	r = begin_http(p);
	if (r == 0 && p->daemon.config.sandbox)
		r = give_up_rights();
	if (r == 0)
		r = daemon_prepare(&p->daemon);
	if (r < 0) {
		(void)daemon_take_down(&p->daemon);
		r = exit_status(p, r);
	} else if (keep_is_shared(p->daemon.keep)) {
		upgrade_set_format(p->daemon.keep);
		watched_begin(&p->daemon, WATCHED_FIRST, &p->watchdog);
		r = run_guarded(p, 0);
	} else {
		watched_begin(&p->daemon, WATCHED_ALONE, &p->watchdog);
		r = run_alone(p);
	}
	watchdog_free(p->watchdog);
	http_end(&p->http);
	return r;
}

int main(int argc, char **argv)
{
	struct process p = { .daemon = DAEMON_NONE, .http = HTTP_NONE, .parent_fd = -1 };
	struct config *c = &p.daemon.config;
	struct config_error error;
	int r;

	if (unmount_called_as(argv[0], "umount."))
		return unmount_helper(argc, argv);
	r = upgrade_answer_check(argv);
	if (r >= 0)
		return r;
	upgrade_init(&p.upgrade, &p.daemon, argv);
	if (upgrade_is_wanted(argv))
		return go_on(&p);
	p.helper = p.upgrade.helper = unmount_called_as(argv[0], "mount.");
	r = config_parse(argc, argv, c, &error);
	if (r == 0 && !c->help && !c->version && !c->clear)
		r = config_complete(c, environ, CONFIG_ETC, &error);
	if (r < 0) {
		fprintf(stderr, "batonfs: %s\n", error.text);
		return exit_status(&p, -EINVAL);
	}
	if (c->help)
		config_help(stdout);
	if (c->version)
		printf("batonfs %s\n", BATON_VERSION);
	if (c->help || c->version || c->fake)
		return EXIT_UNMOUNTED;
	log_setup(tuning_log_level(c));
	if (c->warning[0])
		log_warning("%s", c->warning);
	if (c->clear)
		return unmount_clear(c->mountpoint);
	if (!c->foreground) {
		p.parent_fd = daemonize();
		if (p.parent_fd < 0) {
			log_error("cannot go to the background: %s", strerror(-p.parent_fd));
			return exit_status(&p, p.parent_fd);
		}
	}
	r = run(&p);
	detach(&p, (unsigned char)r);
	return r;
}
