/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: a process that answers nobody is found out (takeover/prober.h asks, takeover/watch.h judges), the log is told
 * what its threads were at, and the service manager is told as long as it does answer (WATCHDOG=1 of sd_notify(3)). Killing
 * it is the caller's.
 *
 * Not silent, whatever it does not answer, is a process
 *
 * - that has a thread which the kernel does not let go: its store hangs. A kill would end nothing before that is over, and
 *   everybody gets his answer then;
 * - whose threads would run and are not let: the machine is busy;
 * - that is being debugged.
 *
 * The service manager is told to be patient as long, and the log why (takeover/excuse.h). One that was stopped (SIGSTOP) is
 * silent: whoever waits for it does not know that somebody means to let it go on.
 */
#ifndef TAKEOVER_WATCHDOG_H
#define TAKEOVER_WATCHDOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "takeover/keep.h"
#include "takeover/prober.h"
#include "util/macro.h"

/* The service manager is to hear something three times before its own time is over. */
#define WATCHDOG_SERVICE_PARTS 3

/*
 * How long the service manager is to be patient while another worker starts, which may take as long as the store is large.
 * Source: hundreds of times what has been seen.
 */
#define WATCHDOG_START_S 300

struct watchdog_plan {
	int64_t limit_ns; /* without an answer; 0: nobody is to be killed for that */
	bool single;	  /* there is no guardian: the calling process is watched */
	bool late; /* the prober begins when the mount answers: somebody waits for that, and for no prober */
	const struct keep *keep;   /* borrowed */
	struct prober_plan prober; /* but for its every_ns */
	void *ctx;
	/* Changes whenever a request was answered. */
	uint64_t (*answered)(void *ctx);
	const char *reader_name; /* of the threads that read and answer requests */
	/* What this thread serves, in words; "" if nothing. */
	void (*request)(void *ctx, pid_t tid, char *buf, size_t len);
};

struct watchdog;

/*
 * Before there are threads or workers. 0; -errno: nothing is watched. *ret NULL: nobody wants it, all below do
 * nothing then.
 */
int watchdog_new(const struct watchdog_plan *plan, struct watchdog **ret) WARN_UNUSED;
void watchdog_free(struct watchdog *w);

/* In the process that is watched. */
void watchdog_obey(struct watchdog *w);

/* The mount answers. */
void watchdog_serve(struct watchdog *w);

/* Another program may come, which has a watchdog of its own; or it has not. */
void watchdog_over_exec(struct watchdog *w, bool over);

/* Nanoseconds until it is to look; INT64_MAX: never. */
int64_t watchdog_due_ns(const struct watchdog *w);

/*
 * Look, if it is time. `ready`: the process `pid` serves the mount already. True: it has fallen silent, and it has been written
 * down what its threads were at, for watchdog_tell().
 */
bool watchdog_look(struct watchdog *w, pid_t pid, bool ready) WARN_UNUSED;

/*
 * It has died, or ends, and its last thread is waited for: once, and then again and again. The service manager is told to be
 * patient, and the log, if it is the store that holds a thread.
 */
void watchdog_dies(struct watchdog *w);
void watchdog_await_death(struct watchdog *w, pid_t pid);

/* Tell the log. */
void watchdog_tell(struct watchdog *w);

#endif
