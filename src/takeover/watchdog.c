/* SPDX-License-Identifier: MIT */
/*
 * Looks every half of the limit while all is well, which the prober asks as often, and every tenth when an answer is due.
 */
#include "takeover/watchdog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "takeover/area.h"
#include "takeover/excuse.h"
#include "takeover/stacks.h"
#include "takeover/threads.h"
#include "takeover/watch.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/parse.h"
#include "util/sdnotify.h"
#include "util/symbol.h"

/* If only the service manager asks. */
#define LIMIT_NS (10 * NS_PER_S)

/*
 * Looks in a row, each half of the limit, at which nobody asks, before it counts that there is a prober which does not ask:
 * it is stopped, or has no CPU. Source: a look and a question may just miss each other.
 */
#define IDLE_LOOKS 3

/* What a thread was at, one line. */
#define REQUEST_TEXT_MAX 160

struct sighting {
	struct thread_state thread;
	char request[REQUEST_TEXT_MAX];
	uintptr_t stack[STACKS_DEPTH_MAX];
	size_t depth;
};

struct sightings {
	size_t count;
	struct sighting all[THREADS_LOOK_MAX];
};

struct watchdog {
	struct watchdog_plan plan;
	char *directory;    /* owned */
	int64_t service_ns; /* the service manager's time; 0: it has none */
	int64_t limit_ns;
	struct prober prober;
	struct stacks *stacks; /* owned */
	struct watch watch;
	int64_t next_mono_ns; /* 0: not yet */
	bool patient;	      /* the service manager has been told to be */
	bool starting;
	bool dies;	     /* it was killed, and that it cannot end has not been told */
	const char *told;    /* what is at present, and was told; NULL: all is well */
	unsigned int idle;   /* looks in a row at which nobody asked */
	struct sight before; /* when an answer was first missed */
	struct sight now;
	struct sightings seen;
};

/* ---- the service manager ---- */

/* What it asks of this process: WATCHDOG_USEC, sd_watchdog_enabled(3). 0: nothing. */
static int64_t service_time_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t n;

	if (!usec || parse_u64(usec, &n) < 0 || n == 0 || n > INT64_MAX / 1000)
		return 0;
	if (pid && strtol(pid, NULL, 10) != getpid())
		return 0;
	return (int64_t)n * 1000;
}

static void set_service_time(const struct watchdog *w, int64_t ns, const char *status)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "WATCHDOG_USEC=%" PRId64 "\nSTATUS=%s", ns / 1000,
		       status);
	if (w->service_ns)
		sdnotify(text);
}

/* Its time begins anew each time that it is told. */
static void ask_patience(struct watchdog *w, int64_t ns, const char *status)
{
	set_service_time(w, ns, status);
	w->patient = true;
}

static void feed(struct watchdog *w)
{
	if (w->patient)
		set_service_time(w, w->service_ns, "mounted");
	w->patient = false;
	if (w->service_ns)
		sdnotify("WATCHDOG=1");
}

/* ---- what the threads are at ---- */

static void look_at(struct sight *s, pid_t pid)
{
	s->mono_ns = clock_mono_ns();
	s->count = threads_look(pid, s->threads, ARRAY_SIZE(s->threads));
}

/* From what `now` has. */
static void see(struct watchdog *w, pid_t pid)
{
	size_t n = w->now.count;

	w->seen.count = n;
	stacks_collect(w->stacks, pid, w->now.threads, n);
	for (size_t i = 0; i < n; i++) {
		struct sighting *s = &w->seen.all[i];

		s->thread = w->now.threads[i];
		s->request[0] = '\0';
		w->plan.request(w->plan.ctx, s->thread.tid, s->request, sizeof(s->request));
		s->depth = stacks_of(w->stacks, s->thread.tid, s->stack);
	}
}

static void tell_one(const struct sighting *s, const struct symbols *symbols)
{
	char line[1600];
	size_t at = 0;

	line[0] = '\0';
	for (size_t i = 0; i < s->depth && at < sizeof(line) - 1; i++) {
		char name[128];

		(void)symbol_text(symbols, s->stack[i], name, sizeof(name));
		at += (size_t)snprintf(line + at, sizeof(line) - at, "%s%s", i ? " < " : " at ",
				       name);
	}
	log_warning("thread tid=%d name=%s state=%c%s%s%s%s%s", (int)s->thread.tid, s->thread.name,
		    s->thread.state, s->thread.wchan[0] ? " wchan=" : "", s->thread.wchan,
		    s->request[0] ? " " : "", s->request, line);
}

void watchdog_tell(struct watchdog *w)
{
	_cleanup_(symbols_freep) struct symbols *symbols = NULL;

	if (!w || !w->seen.count)
		return;
	symbols = symbols_new();
	for (size_t i = 0; i < w->seen.count; i++)
		tell_one(&w->seen.all[i], symbols);
	w->seen.count = 0;
}

/* ---- why not ---- */

static bool serves(void *ctx, pid_t tid)
{
	const struct watchdog *w = ctx;
	char request[REQUEST_TEXT_MAX];

	request[0] = '\0';
	w->plan.request(w->plan.ctx, tid, request, sizeof(request));
	return request[0] != '\0';
}

static bool is_reader(void *ctx, const struct thread_state *thread)
{
	const struct watchdog *w = ctx;

	return strcmp(thread->name, w->plan.reader_name) == 0;
}

static bool may_hang(void *ctx, pid_t tid)
{
	const struct watchdog *w = ctx;

	return worker_area_may_hang(worker_area(w->plan.keep), tid);
}

/* Since `before`. The calling thread, if it is one of them, runs just because it looks. */
static const char *excuse(struct watchdog *w, pid_t pid)
{
	const struct excuse_upcalls up = { w, serves, is_reader, may_hang };

	look_at(&w->now, pid);
	return excuse_find(&w->before, &w->now, gettid(), &up);
}

/* ---- looks ---- */

static void schedule(struct watchdog *w, int64_t in_ns)
{
	w->next_mono_ns = clock_mono_ns() + in_ns;
}

/* As long as it lasts; longer than it takes to be told again. */
static int64_t excused_ns(const struct watchdog *w)
{
	return WATCHDOG_SERVICE_PARTS * MAX_OF(w->service_ns, w->limit_ns);
}

/* Once, as long as it is the same. */
static void tell_excuse(struct watchdog *w, pid_t pid, const char *what, const char *why)
{
	if (w->told == why)
		return;
	w->told = why;
	see(w, pid);
	log_warning("%s pid=%d: %s", what, (int)pid, why);
	watchdog_tell(w);
}

/* True: it is to be killed. */
static bool judge(struct watchdog *w, pid_t pid)
{
	static const char nobody_kills[] = "";
	const char *why = excuse(w, pid);
	bool kill = !why && !w->plan.single && w->plan.limit_ns;
	char what[80];

	watch_forgive(&w->watch);
	if (why)
		ask_patience(w, excused_ns(w), why);
	(void)snprintf(what, sizeof(what), "no request has been answered for %" PRId64 " ms",
		       w->limit_ns / NS_PER_MS);
	if (why) {
		tell_excuse(w, pid, what, why);
	} else if (kill || w->told != nobody_kills) {
		w->told = kill ? NULL : nobody_kills;
		see(w, pid);
		log_warning("%s pid=%d", what, (int)pid);
		if (!kill)
			watchdog_tell(w);
	}
	return kill;
}

static int begin_prober(struct watchdog *w)
{
	int r = prober_begin(&w->prober, &w->plan.prober);

	watchdog_over_exec(w, false);
	return r;
}

/* It has let go of the filesystem, which is not mounted any more but in use; or somebody has killed it. */
static void revive(struct watchdog *w)
{
	int r = -EPIPE;

	watchdog_over_exec(w, true);
	prober_end(&w->prober);
	if (!w->plan.single)
		r = begin_prober(w);
	if (r == 0)
		r = prober_serve(&w->prober);
	if (r == 0)
		return;
	log_info("nobody asks the mount any more whether it answers: error=%s", log_errname(r));
	set_service_time(w, 0, "not watched");
	w->next_mono_ns = 0;
}

/* There is a prober, and it does not ask. */
static void bear_idle(struct watchdog *w)
{
	static const char why[] = "the process that asks whether the mount answers does not run";

	if (++w->idle < IDLE_LOOKS)
		return;
	ask_patience(w, excused_ns(w), why);
	if (w->told != why)
		log_warning("%s: it is stopped, or does not get a CPU", why);
	w->told = why;
}

/* It starts: that takes as long as the store is large, and longer if that does not answer. */
static void await_start(struct watchdog *w, pid_t pid)
{
	const char *why = w->starting ? excuse(w, pid) : NULL;

	if (!w->starting || why)
		ask_patience(w, WATCHDOG_START_S * NS_PER_S, why ? why : "starting another worker");
	if (why)
		tell_excuse(w, pid, "worker does not start", why);
	w->starting = true;
	look_at(&w->before, pid);
	watch_forgive(&w->watch);
}

/* True: it is to be killed. */
static bool look(struct watchdog *w, pid_t pid)
{
	const struct watch_counts now = {
		.asked = atomic_load(&w->prober.counts->begun),
		.answered = atomic_load(&w->prober.counts->answered),
		.others = w->plan.answered(w->plan.ctx),
	};
	enum watch_says says = watch_look(&w->watch, &now);

	if (says != WATCH_IDLE)
		w->idle = 0;
	switch (says) {
	case WATCH_ANSWERED:
		if (w->told)
			log_notice("requests are answered again pid=%d", (int)pid);
		w->told = NULL;
		feed(w);
		return false;
	case WATCH_IDLE:
		bear_idle(w);
		return false;
	case WATCH_WAITING:
		if (w->watch.looks == 1)
			look_at(&w->before, pid);
		break;
	case WATCH_SILENT:
		return judge(w, pid);
	}
	schedule(w, w->limit_ns / WATCH_LOOKS);
	return false;
}

bool watchdog_look(struct watchdog *w, pid_t pid, bool ready)
{
	if (!w || watchdog_due_ns(w) > 0)
		return false;
	schedule(w, w->limit_ns / 2);
	if (!ready) {
		await_start(w, pid);
		return false;
	}
	w->starting = false;
	if (!prober_has_ended(&w->prober))
		return look(w, pid);
	/* What it asked last will never count as answered. */
	watch_forgive(&w->watch);
	revive(w);
	return false;
}

void watchdog_dies(struct watchdog *w)
{
	if (!w || !w->next_mono_ns)
		return;
	w->dies = true;
	w->starting = false;
	watch_forgive(&w->watch);
	schedule(w, w->limit_ns / 2);
}

void watchdog_await_death(struct watchdog *w, pid_t pid)
{
	const struct excuse_upcalls up = { w, serves, is_reader, may_hang };
	const char *why = NULL;

	if (watchdog_due_ns(w) > 0)
		return;
	schedule(w, w->limit_ns / 2);
	look_at(&w->now, pid);
	if (!atomic_load(&worker_area(w->plan.keep)->signal)) /* else its core is being written */
		why = excuse_of_dying(&w->now, &up);
	ask_patience(w, excused_ns(w), why ? why : "a worker ends");
	if (!why || !w->dies)
		return;
	w->dies = false; /* told */
	w->told = NULL;
	tell_excuse(w, pid, "worker was killed and cannot end", why);
}

int64_t watchdog_due_ns(const struct watchdog *w)
{
	int64_t now = clock_mono_ns();

	if (!w || !w->next_mono_ns)
		return INT64_MAX;
	return MAX_OF(w->next_mono_ns - now, INT64_C(0));
}

/* ---- begin and end ---- */

int watchdog_new(const struct watchdog_plan *plan, struct watchdog **ret)
{
	int64_t service_ns = service_time_ns();
	struct watchdog *w;
	int r;

	*ret = NULL;
	if (!service_ns && (plan->single || !plan->limit_ns))
		return 0;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->plan = *plan;
	w->directory = strdup(plan->prober.directory);
	w->plan.prober.directory = w->directory;
	w->service_ns = service_ns;
	w->limit_ns = plan->limit_ns ? plan->limit_ns : LIMIT_NS;
	if (service_ns)
		w->limit_ns = MIN_OF(w->limit_ns, service_ns / WATCHDOG_SERVICE_PARTS);
	w->plan.prober.every_ns = w->limit_ns / 2;
	w->prober = (struct prober)PROBER_NONE;
	r = w->directory ? stacks_new(&w->stacks) : -ENOMEM;
	if (r == 0 && !plan->late)
		r = begin_prober(w);
	if (r < 0)
		watchdog_free(w);
	else
		*ret = w;
	return r;
}

void watchdog_free(struct watchdog *w)
{
	if (!w)
		return;
	prober_end(&w->prober);
	free(w->directory);
	free(w);
}

void watchdog_obey(struct watchdog *w)
{
	if (w)
		stacks_obey(w->stacks);
}

void watchdog_serve(struct watchdog *w)
{
	int r = 0;

	if (!w)
		return;
	if (w->plan.late)
		r = begin_prober(w);
	if (r == 0)
		r = prober_serve(&w->prober);
	if (r < 0)
		log_warning("the process that asks the mount whether it answers did not begin: "
			    "error=%s, going without",
			    log_errname(r));
	if (r == 0)
		schedule(w, w->limit_ns / 2);
	else
		set_service_time(w, 0, "mounted, not watched");
}

void watchdog_over_exec(struct watchdog *w, bool over)
{
	if (!w)
		return;
	if (over)
		keep_fd_drop(w->prober.fd);
	else
		keep_fd(w->prober.fd);
}
